# SPDX-License-Identifier: GPL-2.0
"""What a counter of the test guests has to answer on one connection: each line that was
sent, once, in order, behind its number (selftests/ftvmm/guest/init)."""

LOST, REPEATED, REORDERED, WRONG = "lost", "repeated", "out of order", "wrong"
KINDS = LOST, REPEATED, REORDERED, WRONG


class Answers:
    """Makes the lines, and judges their answers. `right` is how many came as they had to;
    `wrong` has how often which of KINDS was found."""

    def __init__(self, word):
        self.word = word
        self.asked = 0
        self.right = 0
        self.wrong = dict.fromkeys(KINDS, 0)
        self._due = 1
        self._missing = set()

    def ask(self):
        """The next line to send."""
        self.asked += 1
        return self._line(self.asked)

    def _line(self, number):
        return f"{self.word}-line-{number * 7919 % 10007}\n"

    def take(self, answer):
        """One of KINDS if something is wrong with it, otherwise None. An answer that was
        passed over counts as lost until it comes, too late."""
        kind = self._kind(answer)
        if kind:
            self.wrong[kind] += 1
        else:
            self.right += 1
        return kind

    def _kind(self, answer):
        head, _, line = answer.partition(" ")
        number = int(head) if head.isdecimal() else 0
        if not 0 < number <= self.asked or line != self._line(number):
            return WRONG
        if number in self._missing:
            self._missing.discard(number)
            self.wrong[LOST] -= 1
            return REORDERED
        if number < self._due:
            return REPEATED
        passed_over = range(self._due, number)
        self._missing.update(passed_over)
        self._due = number + 1
        # This one is right, those before it aren't there.
        if passed_over:
            self.wrong[LOST] += len(passed_over) - 1
            self.right += 1
            return LOST
        return None

    @property
    def unanswered(self):
        """How many are neither answered nor known to be lost."""
        return self.asked - self._due + 1
