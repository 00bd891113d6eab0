"""Whether the image has every command that its scripts call: an applet of its busybox, something that its shell does itself, a function of
the scripts, or a file of the image.

The scripts' standard errors are often thrown away, so a command that is missing would go unnoticed. This reads as much of the shell's
language (POSIX.1-2017, XCU 2) as the scripts use, and refuses what it does not know.
"""

import re

from builder.failure import Failure

# What ash does by itself (busybox 1.35, shell/ash.c).
BUILTINS = set(". : [ alias bg break cd chdir command continue echo eval exec exit export false fg getopts hash help jobs kill let local "
               "printf pwd read readonly return set shift source test times trap true type ulimit umask unalias unset wait".split())
# After these comes a command again.
BEFORE_COMMANDS = {"if", "then", "else", "elif", "while", "until", "do", "!", "{"}
AFTER_COMMANDS = {"fi", "done", "esac", "}"}
# Commands that are given another one, behind their options.
CALLERS = {"exec", "xargs", "command"}
# Options of commands that are followed by another command.
OPTIONS = {"find": "-exec", "start-stop-daemon": "-x"}
# Folders of the image whose files scripts name.
FOLDERS = ("/bin/", "/sbin/", "/etc/rc/")
SPACE, SEPARATORS = " \t", "\n;&|()"


def applets(busybox):
    """The names by which a busybox is called: they stand one after the other in the program, each with a zero behind it."""
    start = busybox.find(b"\0[\0[[\0acpid\0") + 1
    if not start:
        raise Failure("the names of its applets are not found in busybox: builder/commands.py must be told where they are now")
    return {name.decode() for name in busybox[start:busybox.index(b"\0\0", start)].split(b"\0")}


class Reader:
    """Reads one script; `commands` are its simple commands, each a list of words, and `functions` the names that it defines."""

    def __init__(self, text):
        self.text, self.position = text, 0
        self.commands, self.functions = [], set()
        self._list("")

    def _peek(self, length=1):
        return self.text[self.position:self.position + length]

    def _list(self, end):
        """Reads commands until the character `end`; a list of a `case` ends at `;;` or `esac` by itself."""
        words = []

        def finish():
            while words and (words[0] in BEFORE_COMMANDS or re.fullmatch(r"\w+=.*", words[0], re.S)):
                words.pop(0)
            if words and words[0] not in AFTER_COMMANDS and words[0] != "for":
                self.commands.append(words.copy())
            words.clear()

        while self.position < len(self.text):
            character = self._peek()
            if character == end:
                break
            if character in SPACE:
                self.position += 1
            elif self._peek(2) == "\\\n":
                self.position += 2
            elif character == "#":
                self.position = (self.text + "\n").index("\n", self.position)
            elif found := re.compile(r"\d*(<<|[<>]&?\d*-?|>>)[ \t]*").match(self.text, self.position):
                if found[1] == "<<":
                    raise Failure("here-documents are not read")
                self.position = found.end()
                # The file's name; a copied descriptor has none.
                if "&" not in found[1]:
                    self._word()
            elif self._peek(2) == "()" and len(words) == 1:
                self.functions.add(words.pop())
                self.position += 2
            elif character in SEPARATORS:
                self.position += 1
                finish()
                if character == "(":
                    self._list(")")
                    self.position += 1
            else:
                words.append(self._word())
                if words[-1] == "in" and len(words) == 3 and words[0] == "case":
                    words.clear()
                    self._cases()
        finish()

    def _cases(self):
        """Reads the branches of a `case`, whose patterns are no commands."""
        while True:
            found = re.compile(r"(?:\s|#.*\n)*(esac\b|[^)\n]*\))").match(self.text, self.position)
            if not found:
                raise Failure(f"a `case` without its `esac`: {self.text[self.position:self.position + 40]!r}")
            self.position = found.end()
            if found[1] == "esac":
                return
            # The branch alone, so that its end is the end of a text.
            end = re.compile(r";;|\besac\b").search(self.text, self.position)
            inner = Reader(self.text[self.position:end.start()])
            self.commands += inner.commands
            self.position = end.end() if end[0] == ";;" else end.start()

    def _word(self):
        """Reads one word, and the commands inside it."""
        start = self.position
        while self.position < len(self.text) and self._peek() not in SPACE + SEPARATORS + "<>":
            self._part("")
        return self.text[start:self.position].strip("\"'")

    def _part(self, quote):
        """Reads one character of a word, or all that a quote or a `$` begins."""
        if self._peek(3) == "$((":
            self.position += 3
            while self._peek(2) != "))":
                self._part('"')
            self.position += 2
        elif self._peek(2) == "$(":
            self.position += 2
            self._list(")")
            self.position += 1
        elif self._peek(2) == "${":
            self.position = self.text.index("}", self.position) + 1
        elif self._peek() == "`":
            raise Failure("commands in backquotes are not read: use $(…)")
        elif self._peek() == "\\":
            self.position += 2
        elif self._peek() == "'" and not quote:
            self.position = self.text.index("'", self.position + 1) + 1
        elif self._peek() == '"' and not quote:
            self.position += 1
            while self._peek() != '"':
                self._part('"')
            self.position += 1
        else:
            self.position += 1


def called(words):
    """The names of the commands that a simple command calls: its own, and those that it is given."""
    yield words[0]
    if words[0] in CALLERS:
        # `exec` with redirections alone calls nothing.
        yield from [word for word in words[1:] if not word.startswith("-")][:1]
    option = OPTIONS.get(words[0])
    if option in words:
        yield words[words.index(option) + 1]
    yield from (word for word in words[1:] if word.startswith(FOLDERS))


def missing(scripts, names, files):
    """What the scripts (texts by path) call and the image does not have, each with its script; `names` are applets and programs, `files` the
    paths of the image."""
    readers = {path: Reader(text) for path, text in scripts.items()}
    known = BUILTINS | set(names) | set().union(*(reader.functions for reader in readers.values()))
    return sorted({f"{path} calls {name}" for path, reader in readers.items() for words in reader.commands for name in called(words)
                   if name not in known and name.removeprefix("/") not in files and not name.startswith("$")})


def check(archive, busybox):
    """Fails if a script of the initramfs calls what is not in it."""
    scripts = {path: content.decode() for path, content in archive.files().items()
               if path.startswith("etc/rc/") or content.startswith(b"#!")}
    programs = {path.removeprefix("bin/") for path in archive.entries if path.startswith("bin/")}
    if lacks := missing(scripts, applets(busybox) | programs, archive.entries.keys()):
        raise Failure(f"the image does not have it: {'; '.join(lacks)}")
