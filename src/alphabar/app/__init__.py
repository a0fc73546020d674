"""The local page, `alphabar app`: a file per tab, which shows what the layers below compute."""
