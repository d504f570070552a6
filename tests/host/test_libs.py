"""host/libs.py: only the locked bytes get into the cache, wherever they come from."""

import hashlib
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from host import libs

FILES = {"pack/__init__.py": b"import pack.core\n", "pack/core.py": b"print('core')\n"}
SINGLE = b"print('single')\n"


def sha(content):
    return hashlib.sha256(content).hexdigest()


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path, files) -> str:
    """A git repository with one commit; its commit."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a version")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Two repositories, `clones/lib` and `clones/single`, a lock of them, and an empty cache."""
    clones = tmp_path / "clones"
    commits = repository(clones / "lib", {f"micropython/pack/{name}": content for name, content in FILES.items()})
    single = repository(clones / "single", {"single.py": SINGLE})
    lock = {"packages": [
        {"name": "pack", "version": "1.2", "mip": "pack", "repository": "https://example.org/lib", "commit": commits,
         "files": [{"target": n, "source": f"micropython/pack/{n}", "sha256": sha(c)} for n, c in FILES.items()]},
        {"name": "single", "version": "0.1", "mip": "github:someone/single", "repository": "https://example.org/single",
         "commit": single, "files": [{"target": "single.py", "source": "single.py", "sha256": sha(SINGLE)}]},
    ]}
    (tmp_path / "lock.json").write_text(json.dumps(lock))
    monkeypatch.setattr(libs, "LOCK", tmp_path / "lock.json")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return SimpleNamespace(clones=clones, cache=tmp_path / "cache" / "motelog" / "libs", tmp=tmp_path)


def call(*folders, index="http://127.0.0.1:9/pi"):
    return libs.run(SimpleNamespace(folders=[Path(f) for f in folders] or None, index=index, json=False))


def stored(world):
    return {str(p.relative_to(world.cache)): p.read_bytes() for p in world.cache.rglob("*") if p.is_file()}


def archives(world):
    """Unpacked archives have no .git."""
    for name in ("lib", "single"):
        shutil.rmtree(world.clones / name / ".git")


@pytest.mark.parametrize("change", [lambda world: None, archives])
def test_from_a_folder_of_clones_or_of_archives(world, change, capsys):
    change(world)
    assert call(world.clones) == 0
    assert stored(world) == FILES | {"single.py": SINGLE}
    assert "pack 1.2: new\nsingle 0.1: new\n" in capsys.readouterr().out
    shutil.rmtree(world.clones)
    assert call() == 0  # all there: no network needed
    assert "pack 1.2: present\n" in capsys.readouterr().out


def test_from_each_clone_by_name_also_a_bare_one_and_one_that_went_on(world):
    git(world.tmp, "clone", "-q", "--bare", str(world.clones / "single"), "bare.git")
    (world.clones / "lib/micropython/pack/pack/core.py").write_bytes(b"newer\n")
    git(world.clones / "lib", "commit", "-qam", "newer")
    assert call(world.clones / "lib", world.tmp / "bare.git") == 0
    assert stored(world) == FILES | {"single.py": SINGLE}


def test_other_bytes_are_refused_and_nothing_of_the_package_is_kept(world, capsys):
    archives(world)
    core = world.clones / "lib/micropython/pack/pack/core.py"
    core.write_bytes(b"print('evil')\n")
    assert call(world.clones) == 1
    assert stored(world) == {"single.py": SINGLE}
    assert f"pack 1.2: {core} is another version than the lock's: take commit " in capsys.readouterr().err


def test_what_is_not_there_is_told_with_where_to_get_it(world, capsys):
    assert call(world.clones / "single") == 1
    told = capsys.readouterr().err
    assert "is not in" in told and "add a clone of https://example.org/lib to --from" in told
    assert stored(world) == {"single.py": SINGLE}
    assert call(world.tmp / "nowhere") == 2


def test_a_damaged_cache_is_noticed_and_repaired(world):
    assert call(world.clones) == 0
    (world.cache / "pack/core.py").write_bytes(b"")
    pack = libs.locked()[0]
    with pytest.raises(libs.Failed, match="run `deploy.py libs` first"):
        libs.files_of(pack)
    assert call(world.clones) == 0
    assert [(target, path.read_bytes()) for target, path in libs.files_of(pack)] == list(FILES.items())


def test_a_cache_that_cannot_be_written_is_told(world, capsys):
    world.cache.parent.mkdir(parents=True)
    world.cache.write_text("in the way")
    assert call(world.clones) == 1
    assert f"cannot write to {world.cache}" in capsys.readouterr().err


@pytest.fixture
def server(world, monkeypatch):
    """A mip index and a GitHub, laid out as the real ones; `site` maps paths to contents."""
    site = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = site.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    base = f"http://127.0.0.1:{httpd.server_port}"
    monkeypatch.setattr(libs, "RAW", f"{base}/raw")
    hashes = []
    for name, content in FILES.items():
        tagged = content + b"\n\n__version__ = '1.2'\n"
        site[f"/pi/file/{sha(tagged)[:2]}/{sha(tagged)[:8]}"] = tagged
        hashes.append([name, sha(tagged)[:8]])
    site["/pi/package/py/pack/1.2.json"] = json.dumps({"v": 1, "hashes": hashes, "version": "1.2"}).encode()
    site[f"/raw/someone/single/{libs.locked()[1].commit}/single.py"] = SINGLE
    yield SimpleNamespace(site=site, index=f"{base}/pi/")
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_from_the_index_and_github(world, server):
    assert call(index=server.index) == 0
    assert stored(world) == FILES | {"single.py": SINGLE}


def test_an_index_that_gives_other_bytes_is_refused(world, server, capsys):
    path = next(path for path in server.site if path.startswith("/pi/file/"))
    server.site[path] = b"print('evil')\n"
    assert call(index=server.index) == 1
    assert stored(world) == {"single.py": SINGLE}
    assert f"{path} is not what the lock says" in capsys.readouterr().err


def test_an_index_without_the_package_and_one_that_is_none(world, server, capsys):
    del server.site["/pi/package/py/pack/1.2.json"]
    assert call(index=server.index) == 1
    assert "/pi/package/py/pack/1.2.json answered 404 Not Found" in capsys.readouterr().err
    server.site["/pi/package/py/pack/1.2.json"] = b"<html>"
    assert call(index=server.index) == 1
    assert "does not list the files of pack 1.2" in capsys.readouterr().err


def test_offline_is_one_clear_line_per_package(world, capsys, monkeypatch):
    monkeypatch.setattr(libs, "RAW", "http://127.0.0.1:9/raw")
    assert call() == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, ("lib", "single"), strict=True):
        assert "cannot reach http://127.0.0.1:9/" in line
        assert line.endswith(f"without a network clone https://example.org/{name} elsewhere and use --from DIR")


def test_lock_and_mip_package_name_the_same_versions():
    packages = libs.locked()
    declared = json.loads((libs.LOCK.parent / "package.json").read_text())["deps"]
    assert declared == [[p.mip, p.commit if p.mip.startswith("github:") else p.version] for p in packages]
    targets = [file.target for package in packages for file in package.files]
    assert len(set(targets)) == len(targets) >= 13
    assert {p.name for p in packages} == {"aioble", "umqtt.robust", "umqtt.simple", "npyfile", "zipfile"}
