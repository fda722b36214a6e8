"""Which line of a log says what? One file for each format; `formats.FORMATS` is the table of them."""
