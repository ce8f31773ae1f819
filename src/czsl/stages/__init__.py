"""The stages of learning, one file each: plain data in, plain data out."""
