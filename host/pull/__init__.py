"""`deploy.py pull`: the data set of a board, over its serial port (command.py)."""
