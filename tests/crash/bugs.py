"""Does the harness bite? Each patch of bugs/ breaks one thing that exactness rests on; the first line says what. Applied to a copy of
the tree, built, and held against the parts of the harness until one of them sees it."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[1]
TRIES = [("kills", "--kills", "60"), ("calls",), ("kills", "--kills", "150")]


def copy_tree(to):
    """What is built; files that are the same keep their times, so that only what a patch touches is compiled again."""
    to.mkdir(parents=True, exist_ok=True)
    wanted = subprocess.run(["git", "ls-files", "-z"], cwd=TREE, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, wanted):
        source, target = TREE / name, to / name
        if not source.is_file() or (target.exists() and target.read_bytes() == source.read_bytes()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build(tree):
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    env = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}  # what this tree has in common with others is there
    preset = os.environ.get("LOGTALLY_CRASH_PRESET", "release")
    for command in (["cmake", "--preset", preset, "-DLOGTALLY_TESTS=OFF", *launcher],
                    ["cmake", "--build", "--preset", preset, "--parallel", "2", "--target", "logtally"]):
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, env=env)
        if done.returncode != 0:
            return None, done.stdout[-2000:] + done.stderr[-1000:]
    return tree / "build" / preset / "logtally", ""


def caught_by(binary, seed, say):
    env = {**os.environ, "LOGTALLY": str(binary)}
    for part, *flags in TRIES:
        done = subprocess.run([sys.executable, "-B", str(HERE / "crash.py"), "--only", part, "--seed", str(seed), *flags], env=env,
                              capture_output=True, text=True, timeout=1800)
        for line in done.stdout.splitlines():
            if ": MISSED" in line:
                return f"{part}: {line.split(' points, ', 1)[-1][:220]}"
        if done.returncode != 0:
            return f"{part}: {done.stderr[-200:]}"
        say(f"not by {part} {' '.join(flags)}")
    return None


def run(which, seed):
    tree = TREE / "build" / "crash" / "tree"
    patches = [p for p in sorted((HERE / "bugs").glob("*.patch")) if which in ("*", p.stem)]
    if not patches:
        print(f"no such patch; there are {', '.join(p.stem for p in sorted((HERE / 'bugs').glob('*.patch')))}", file=sys.stderr)
        return 2
    table = []
    for patch in patches:
        what = patch.read_text().splitlines()[0].lstrip("# ")
        began = time.monotonic()
        copy_tree(tree)
        applied = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch", "-i", str(patch)], cwd=tree, capture_output=True, text=True)
        if applied.returncode != 0:
            outcome = "DOES NOT APPLY: " + applied.stdout.strip().replace("\n", " ")[-200:]
        else:
            binary, why = build(tree)
            if binary is None:
                outcome = "DOES NOT BUILD: " + why[-300:].replace("\n", " ")
            else:
                found = caught_by(binary, seed, lambda text, name=patch.stem: print(f"  {name}: {text}", flush=True))
                outcome = f"caught by {found}" if found else "NOT CAUGHT"
        table.append((patch.stem, outcome))
        print(f"{patch.stem} ({what}), {time.monotonic() - began:.0f} s: {outcome}", flush=True)
    caught = sum(outcome.startswith("caught") for _, outcome in table)
    print(f"\n{caught} of {len(table)} caught")
    return 0 if caught == len(table) else 1
