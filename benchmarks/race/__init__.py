"""A race of alphabar, diffusers and lucidrains' package: the same images, the same CPU time, one thread each.

    python -m benchmarks.race OUT --minutes 10 --seeds 0 1 2 --count 2500
    python -m benchmarks.race OUT --recipe folder --data PHOTOS --minutes 2.5 --seeds 0 1 2 --count 300 --split test

Run it in the root of the repository. A side whose package is missing is skipped, with a sentence that says how to
install it. Each side trains on the data set of the recipe until it has used the budget. The budget is the CPU time of
its whole process tree, including imports and the loading of the data. Then it writes COUNT images with each of its own
samplers, and `alphabar evaluate` scores all of them against the same reference. The sides run one after the other.
OUT/table.md, OUT/table.csv and OUT/samples.png are the result. OUT/recipe.toml holds the settings of all sides: those
of the recipe, with what it leaves to a plan planned once, for these images and this time. The same command again skips
the sides that are finished.

What to keep in mind when reading the table:

- alphabar's recipe was made for these images and this size. Nobody tuned the defaults of the other packages for them.
  Therefore `diffusers-tuned` takes the learning rate, warm-up and batch size of the recipe, or the rate that --rate
  names, as it must where the recipe's is Muon's.
- alphabar's `training.minutes` count CPU time here (cpu_clock.py), less that of a start, which a run of one step before
  measures, and which is not counted. Where it uses more than the budget after all, the sides that run after it get as
  much, except `alphabar`. The table says what each really used.
- Equal CPU time is equal work only on a machine that is equally busy: other programs slow its caches and memory down.
- The networks have about the same number of parameters. The layers of diffusers' U-Net are those of the recipe.
- Only the side `alphabar` is given the classes, where its recipe uses them. No other side is comparable with it.
- alphabar's CPU time per image includes the start of the program and the writing of PNG files.
"""
