"""The pages of docs/ that are made from the program's tables are what the program makes of them.

After a change of the tables:  LOGTALLY_UPDATE=1 python3 tests/e2e/reference_test.py  writes them anew.
"""
import os
import re
import shutil
import subprocess
import unittest

import driver

PAGES = ["cli.md", "config.md", "errors.md", "logtally.1"]


class Reference(unittest.TestCase):
    def test_pages_are_as_the_program_prints_them(self):
        for name in PAGES:
            with self.subTest(name):
                made = driver.run("__reference", name)
                self.assertEqual((made.returncode, made.stderr), (0, b""))
                path = driver.SOURCE / "docs" / name
                if os.environ.get("LOGTALLY_UPDATE"):
                    path.write_bytes(made.stdout)
                self.assertTrue(path.exists(), f"docs/{name} is missing; LOGTALLY_UPDATE=1 writes it")
                self.assertEqual(path.read_text(), made.stdout.decode(), f"docs/{name} is out of date; LOGTALLY_UPDATE=1 python3 tests/e2e/reference_test.py")

    def test_no_other_page(self):
        done = driver.run("__reference", "nothing.md")
        self.assertEqual(done.returncode, 2)

    def test_the_manual_page_is_without_fault(self):
        if not shutil.which("man") or not shutil.which("groff"):
            self.skipTest("man or groff is not here")
        done = subprocess.run(["man", "-E", "UTF-8", "-l", "--warnings", "-Tutf8", "-Z", driver.SOURCE / "docs" / "logtally.1"], capture_output=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))
        if shutil.which("lexgrog"):
            named = subprocess.run(["lexgrog", driver.SOURCE / "docs" / "logtally.1"], capture_output=True)
            self.assertEqual(named.returncode, 0, named.stdout)


class Pages(unittest.TestCase):
    """The pages that people write."""

    def pages(self):
        docs = driver.SOURCE / "docs"
        modules = [driver.SOURCE / name / "README.md" for name in ["config", "sinks", "sinks/metrics", "sinks/http", "rules", "pipeline", "cli", "tests", "fixtures"]]
        return [driver.SOURCE / "README.md", driver.SOURCE / "CHANGELOG.md", *sorted(docs.glob("*.md")), *modules]

    def test_links_lead_somewhere(self):
        for page in self.pages():
            text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
            for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                if "://" not in link:
                    self.assertTrue((page.parent / link).exists(), f"{page}: {link}")

    def test_the_index_names_every_page(self):
        index = (driver.SOURCE / "docs" / "README.md").read_text()
        for page in sorted((driver.SOURCE / "docs").glob("*.md")):
            if page.name != "README.md":
                self.assertIn(f"({page.name})", index, f"docs/README.md does not speak of {page.name}")

    def test_commands_that_are_spoken_of_are_there(self):
        # `logtally WORD` in running text or a block: a command, a file that is read, or a flag.
        there = {"run", "exec", "check", "test", "explain", "completion", "help", "version", "validate", "lint", "__reference"}
        for page in self.pages():
            if page.name == "CHANGELOG.md":
                continue
            for word in re.findall(r"(?:^|[`|$ /])logtally ([a-z_]+)\b", "\n".join(re.findall(r"`[^`\n]+`|^    .*$|^\$ .*$", page.read_text(), re.M))):
                self.assertIn(word, there, page)


class Help(unittest.TestCase):
    def test_every_command_has_a_page_with_examples(self):
        commands = ["run", "exec", "check", "test", "explain", "completion", "help", "version"]
        for command in commands:
            with self.subTest(command):
                pages = [driver.run(*args) for args in (["help", command], [command, "--help"], [command, "-h"], ["--help", command])]
                for page in pages:
                    self.assertEqual((page.returncode, page.stderr), (0, b""))
                    self.assertEqual(page.stdout, pages[0].stdout)
                text = pages[0].stdout.decode()
                self.assertRegex(text, rf"^logtally {command}: ")
                for part in ("\nusage: logtally ", "\nexamples:\n", "\nflags:\n", "\nexit codes:\n"):
                    self.assertIn(part, text)
                self.assertLessEqual(max(map(len, text.split("\n"))), 120)

    def test_flags_that_are_listed_are_taken(self):
        values = {"FILE": "/dev/null", "FILE|DIR": "/dev/null", "NAME": "none", "HOST:PORT": "127.0.0.1:9", "DIR": "none", "WHEN": "never", "PID": "1", "HOW": "labelled"}
        all_flags = set()
        listed = {}
        for command in ["run", "exec", "check", "test", "explain", "completion", "help", "version"]:
            text = driver.run("help", command).stdout.decode().partition("\nflags:\n")[2].partition("\nexit codes:\n")[0]
            listed[command] = re.findall(r"^  (?:-\w,|   ) --([a-z-]+)(?: (\S+))?", text, re.M)
            self.assertGreaterEqual(len(listed[command]), 2, command)
            all_flags.update(name for name, _ in listed[command])
        for command, flags in listed.items():
            for name, value in flags:
                with self.subTest((command, name)):
                    given = [f"--{name}"] + ([values.get(value, "human")] if value else [])
                    # --help stops the reading behind the flag: it was taken if the page comes.
                    page = driver.run(command, *given, "--help")
                    self.assertEqual(page.returncode, 0, page.stderr)
                    if value and value not in ("FILE", "FILE|DIR", "DIR"):
                        bad = driver.run(command, f"--{name}", "no such value", "--help")
                        self.assertEqual(bad.returncode, 2, bad.stdout)
            names = {name for name, _ in flags}
            for name in sorted(all_flags - names - {"verbose", "quiet", "color"}):  # these three every command takes
                with self.subTest((command, "not", name)):
                    refused = driver.run(command, f"--{name}", "--help")
                    self.assertEqual(refused.returncode, 2)
                    self.assertIn(f"`--{name}` is no flag of `{command}`", refused.stderr.decode())

    def test_flags_say_what_they_do_for_their_command(self):
        def page(command):
            return driver.run("help", command).stdout.decode()

        self.assertIn("human, junit, tap", page("test"))
        self.assertNotIn("github", page("test"))
        self.assertIn("exit 3", page("check"))
        self.assertNotIn("exit 3", page("test"))
        self.assertNotIn("--verbose", page("version"))
        self.assertEqual(driver.run("version", "-v", "--color", "never").returncode, 0)

    def test_codes_and_topics(self):
        page = driver.run("help", "E012").stdout.decode()
        self.assertRegex(page, r"^E012 \(error\): unknown key\n")
        self.assertIn("\nWrong:\n", page)
        self.assertIn("lables", page)
        self.assertIn("\nRight:\n", page)
        self.assertEqual(driver.run("help", "e012").stdout.decode(), page)
        self.assertIn("METRICS_PORT", driver.run("help", "environment").stdout.decode())
        self.assertIn("limits.series", driver.run("help", "config").stdout.decode())

    def test_what_is_not_there_is_wrong_usage(self):
        for args, said in [
            (["help", "E0122"], "error: there is no help on `E0122`; did you mean `E012`?\n"),
            (["help", "chekc"], "error: there is no help on `chekc`; did you mean `check`?\n"),
            (["help", "confg"], "error: there is no help on `confg`; did you mean `config`?\n"),
            (["help", "frobnicate"], "error: there is no help on `frobnicate`; `logtally help` lists commands and topics, `logtally help codes` the codes\n"),
            (["help", "run", "check"], "error: help on one word at a time\n"),
            (["hlep"], "error: unknown command `hlep`; did you mean `help`?\n"),
        ]:
            with self.subTest(args):
                done = driver.run(*args)
                self.assertEqual((done.returncode, done.stdout, done.stderr.decode()), (2, b"", said))


if __name__ == "__main__":
    driver.main()
