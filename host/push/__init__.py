"""`deploy.py push`: from a configuration to a board that records. wire.py is what pull and monitor use, too."""
