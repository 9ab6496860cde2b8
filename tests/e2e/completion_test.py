"""Completion scripts: as they were when last looked at; sourced and driven in bash, in zsh and fish where these are installed.

After a change of the flags:  LOGTALLY_UPDATE=1 python3 tests/e2e/completion_test.py  writes fixtures/completion anew; read the difference.
"""
import os
import pathlib
import pty
import select
import shutil
import subprocess
import tempfile
import time
import unittest

import driver

RULES = """version: 1
metrics:
  seen_total: {type: counter, help: Lines seen.}
rules:
  first_rule: {match: {event: a}, do: [inc: seen_total]}
  'odd $(touch planted) name': {match: {event: b}, do: [inc: seen_total]}
"""


class Golden(unittest.TestCase):
    def test_scripts_are_as_they_were(self):
        for shell in ["bash", "zsh", "fish"]:
            with self.subTest(shell):
                made = driver.run("completion", shell)
                self.assertEqual((made.returncode, made.stderr), (0, b""))
                path = driver.SOURCE / "fixtures" / "completion" / f"logtally.{shell}"
                if os.environ.get("LOGTALLY_UPDATE"):
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(made.stdout)
                self.assertTrue(path.exists(), f"{path.name} is missing; LOGTALLY_UPDATE=1 writes it")
                self.assertEqual(path.read_text(), made.stdout.decode())

    def test_shells_read_them(self):
        for shell in ["bash", "zsh", "fish"]:
            with self.subTest(shell):
                program = shutil.which(shell)
                if program is None:
                    continue  # the scripts' own tests below say that it is not installed
                done = subprocess.run([program, "-n", driver.SOURCE / "fixtures" / "completion" / f"logtally.{shell}"], capture_output=True)
                self.assertEqual((done.returncode, done.stderr), (0, b""))


class Scripts(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.path = pathlib.Path(self.dir.name)
        (self.path / "bin").mkdir()
        (self.path / "bin" / "logtally").symlink_to(os.path.abspath(driver.BINARY))
        (self.path / "engine one.log").write_text("")
        (self.path / "engine.log").write_text("")
        (self.path / "rules.d").mkdir()
        (self.path / "my.yaml").write_text(RULES)

    def environment(self):
        return driver.environment(PATH=f"{self.path / 'bin'}:{os.environ['PATH']}", HOME=self.dir.name, LC_ALL="C.UTF-8")

    def bash(self, *words, flag=None):
        """What bash offers for the last of the words."""
        script = """
            source <(logtally completion bash) || exit 9
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _logtally logtally "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            for word in "${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done
        """
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], capture_output=True, cwd=self.dir.name, env=self.environment())
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
        return done.stdout.decode().split("\n")[:-1]

    def test_bash_registers_itself(self):
        done = subprocess.run(["bash", "--norc", "-c", "source <(logtally completion bash); complete -p logtally"], capture_output=True, env=self.environment())
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"complete -F _logtally logtally\n", b""))

    def test_bash_offers(self):
        commands = ["run", "exec", "check", "test", "explain", "completion", "help", "version"]
        for words, want in [
            (["logtally", ""], commands),
            (["logtally", "c"], ["check", "completion"]),
            (["logtally", "engine."], ["engine.log"]),
            (["logtally", "--onc"], ["--once"]),
            (["logtally", "check", "--str"], ["--strict"]),
            (["logtally", "run", "--str"], []),
            (["logtally", "exec", "--str"], ["--streams"]),
            (["logtally", "exec", "engine"], ["engine one.log", "engine.log"]),
            (["logtally", "validate", "--str"], ["--strict"]),
            (["logtally", "check", "--format", ""], ["human", "json", "github"]),
            (["logtally", "test", "--format", ""], ["human", "junit", "tap"]),
            (["logtally", "check", "--format", "=", "j"], ["json"]),
            (["logtally", "check", "--format", "="], ["human", "json", "github"]),
            (["logtally", "--pack", ""], ["auto", "none", "aria", "skillmeat"]),
            (["logtally", "run", "--color", "a"], ["auto", "always"]),
            (["logtally", "run", "--listen", ""], []),
            (["logtally", "run", "-c", "my"], ["my.yaml"]),
            (["logtally", "run", "--state-dir", "r"], ["rules.d"]),
            (["logtally", "run", "engine"], ["engine one.log", "engine.log"]),
            (["logtally", "run", "--once", "engine o"], ["engine one.log"]),
            (["logtally", "explain", ""], []),
            (["logtally", "completion", ""], ["bash", "zsh", "fish"]),
            (["logtally", "help", "E01"], [f"E01{n}" for n in range(6)]),
            (["logtally", "help", "co"], ["completion", "config", "codes"]),
        ]:
            with self.subTest(words):
                self.assertEqual(sorted(self.bash(*words)), sorted(want))

    def test_the_names_of_rules(self):
        def rules(*words):
            done = driver.run("__complete", "rules", *words, cwd=self.dir.name)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            return done.stdout.decode().split("\n")[:-1]

        mine = ["first_rule", "odd $(touch planted) name"]
        self.assertEqual(rules("explain", "--pack", "none", "--rules", "my.yaml", "--rule"), mine)
        self.assertEqual(rules("explain", "--pack", "none", "--rules", "missing.yaml"), [])
        self.assertEqual(rules("--pack", "none"), [])
        self.assertIn("skill_execution", " ".join(rules("run")))
        (self.path / "logtally.yaml").write_text("packs: none\nrules: [my.yaml]\n")
        self.assertEqual(rules(), mine)
        self.assertEqual(driver.run("__complete", "nonsense").returncode, 2)

    def test_bash_expands_nothing_of_a_name(self):
        script = """
            source <(logtally completion bash)
            COMP_WORDS=(logtally explain --pack none --rules my.yaml --rule ''); COMP_CWORD=7; COMPREPLY=() cur=''
            _logtally_rules logtally
            for word in "${COMPREPLY[@]}"; do printf '%s\\n' "$word"; done
        """
        done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, cwd=self.dir.name, env=self.environment())
        self.assertEqual(done.stdout.decode().split("\n")[:-1], ["first_rule", "odd $(touch planted) name"], done.stderr)
        self.assertFalse((self.path / "planted").exists())

    def test_unknown_shells(self):
        for args, said in [(["completion"], "which shell"), (["completion", "bsh"], "did you mean `bash`?"), (["completion", "tcsh"], "only for bash, zsh, fish")]:
            done = driver.run(*args)
            self.assertEqual((done.returncode, done.stdout), (2, b""))
            self.assertIn(said, done.stderr.decode())

    def test_fish_offers(self):
        fish = shutil.which("fish")
        if fish is None:
            self.skipTest("fish is not installed")
        for line, want in [
            ("logtally chec", ["check"]),
            ("logtally check --str", ["--strict"]),
            ("logtally run --str", []),
            ("logtally lint --str", ["--strict"]),
            ("logtally check --format ", ["github", "human", "json"]),
            ("logtally test --format ", ["human", "junit", "tap"]),
            ("logtally --color al", ["always"]),
            ("logtally completion ", ["bash", "fish", "zsh"]),
            ("logtally help E012", ["E012"]),
            ("logtally run -c my", ["my.yaml"]),
        ]:
            with self.subTest(line):
                done = subprocess.run([fish, "--no-config", "-c", 'logtally completion fish | source; complete -C "$argv[1]"', line],
                                      capture_output=True, cwd=self.dir.name, env=self.environment())
                self.assertEqual(done.stderr, b"")
                self.assertEqual(sorted(offer.split("\t")[0] for offer in done.stdout.decode().split("\n")[:-1]), want)

    def test_zsh_offers(self):
        zsh = shutil.which("zsh")
        if zsh is None:
            self.skipTest("zsh is not installed")
        for typed, want in [("logtally chec\t", "logtally check "), ("logtally check --str\t", "logtally check --strict "),
                            ("logtally check --format gi\t", "logtally check --format github "), ("logtally completion fi\t", "logtally completion fish "),
                            ("logtally run -c my\t", "logtally run -c my.yaml "), ("logtally --from-\t", "logtally --from-beginning ")]:
            with self.subTest(typed):
                self.assertIn(want, self.zsh_line(zsh, typed))

    def zsh_line(self, zsh, typed):
        """The line as zsh's editor has it after the keys; printed by a key of ours."""
        setup = ("PS1='ready> '; autoload -U compinit; compinit -u -D; source <(logtally completion zsh); "
                 "show() { print -r -- \"<<$BUFFER>>\" > $HOME/line; }; zle -N show; bindkey '^X' show; print begin-$((40 + 2))\n")
        (self.path / "line").unlink(missing_ok=True)
        child, master = pty.fork()
        if child == 0:
            os.chdir(self.dir.name)
            os.execve(zsh, ["zsh", "-f", "-i"], {**self.environment(), "TERM": "xterm"})
        seen = b""

        def read_until(done):
            nonlocal seen
            end = time.monotonic() + driver.DEADLINE
            while not done():
                self.assertLess(time.monotonic(), end, seen[-2000:])
                if select.select([master], [], [], 0.05)[0]:
                    try:
                        seen += os.read(master, 65536)
                    except OSError:
                        break

        try:
            os.write(master, setup.encode())
            read_until(lambda: b"begin-42" in seen)
            os.write(master, typed.encode() + b"\x18")
            read_until(lambda: (self.path / "line").exists() and (self.path / "line").read_text().endswith("\n"))
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
            os.close(master)
        return (self.path / "line").read_text()


if __name__ == "__main__":
    driver.main()
