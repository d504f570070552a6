"""Motelog: puts an installation that was cut off in its place, then records. Written by `deploy.py push`."""

import json
import os

STAGE = "/.motelog"


def exists(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def move(target, keep):
    """Put what is staged beside the target (TARGET.new) in its place, once; `keep`: what stands there now is somebody
    else's. Within one folder a rename happens whole or not at all; between two folders LittleFS does not promise that.
    """
    staged = target + ".new"
    if not exists(staged):
        return
    if keep and exists(target):
        os.rename(target, target + ".before-motelog")
    try:
        os.rename(staged, target)
    except OSError:  # a FAT file system does not replace
        os.remove(target)
        os.rename(staged, target)


def remove(path):
    if exists(path):
        os.remove(path)
    folder = path[: path.rfind("/")]
    while folder:
        try:
            os.rmdir(folder)
        except OSError:
            return  # not empty
        folder = folder[: folder.rfind("/")]


def complete():
    """Carry out the journal, from the start again wherever it was cut off."""
    journal = STAGE + "/journal"
    if not exists(journal):
        return
    with open(journal) as file:
        todo = json.load(file)
    for target, keep in todo["put"]:
        move(target, keep)
    for path in todo["remove"]:
        remove(path)
    os.remove(journal)


if __name__ == "__main__":
    complete()
    from app.main import run

    run()
