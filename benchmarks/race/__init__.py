"""A race of alphabar, diffusers and lucidrains' package: the same images, the same CPU time, one thread each.

    python -m benchmarks.race OUT --minutes 10 --seeds 0 1 2 --count 2500

Run it in the root of the repository. A side whose package is missing is skipped, with a sentence that says how to
install it. Each side trains on the data set of the recipe until it has used the budget. The budget is the CPU time of
its whole process tree, including imports and the loading of the data. Then it writes COUNT images with each of its own
samplers, and `alphabar evaluate` scores all of them against the same reference. The sides run one after the other.
OUT/table.md and OUT/table.csv are the result. The same command again skips the sides that are finished.

What to keep in mind when reading the table:

- alphabar's recipe was made for these images and this size. Nobody tuned the defaults of the other packages for them.
  Therefore `diffusers-tuned` takes the learning rate, warm-up and batch size of the recipe.
- alphabar must know the length of its training before it begins. Two short trainings before its budget measure what an
  update costs, and they are not counted. It aims at 98 % of the budget. Where it uses more than the budget after all,
  the sides that run after it get as much, except `alphabar`. The table says what each really used.
- The networks have about the same number of parameters. The layers of diffusers' U-Net are those of the recipe.
- Only the side `alphabar` is given the classes, where its recipe uses them. No other side is comparable with it.
- alphabar's CPU time per image includes the start of the program and the writing of PNG files.
"""
