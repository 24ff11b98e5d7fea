# SPDX-License-Identifier: MIT
"""Medians as text, as doc/benchmark.md and as bars in doc/benchmark.svg."""

import datetime
import os
import platform

from figures import FIGURES

BAR = {"floor": "#9aa0a6", "Jackdaw": "#1a6f4b", "Prosody": "#c58a00", "ejabberd": "#a83232"}
IN_PICTURE = ("chat-w1-tcp", "chat-w20-tcp", "chat-w1-tls", "chat-w1-ws", "chat-sm",
              "chat-archive", "chat-archive-db", "page-server", "page-db", "offline-store",
              "offline-deliver", "latency", "latency-archive", "presence", "room-talk", "room-join",
              "login-scram-tcp", "login-scram-tls", "login-roster", "idle-10000-tcp",
              "idle-10000-tls", "idle-10000-ws", "empty")
HEADER = ("floor", "Jackdaw", "other I/O threads", "Prosody", "ejabberd", "must", "")


def main_subject(figure):
    """Which of a figure's subjects the promise is about."""
    return figure.subjects[0]


def machine():
    model = "an unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 1024 ** 2
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "?")
    return "%d processors (%s), %.0f GiB, %s, Linux %s" % (
        os.cpu_count(), model, memory, system, platform.release())


class Results:
    """What one run of the benchmark found."""

    def __init__(self, figures, medians, broken, load, args, minutes, remarks=()):
        self.figures, self.medians, self.broken = figures, medians, broken
        self.remarks = list(remarks)
        self.load, self.args, self.minutes = load, args, minutes
        self.titles = {figure.name: figure.title for figure in FIGURES}

    def value(self, figure, name):
        return self.medians.get((figure.name, name))

    def number(self, figure, value):
        return "-" if value is None else "%.*f" % (figure.digits, value)

    def verdict(self, figure):
        """(what must be, "reached" or "missed" with the figure) or ("", "")."""
        must, mine = figure.must, self.value(figure, main_subject(figure))
        if must is None:
            return "", ""
        if not must.subject:
            text, got = "%g %s" % (must.limit, figure.unit.removeprefix("CPU ")), mine
            shown = self.number(figure, mine)
        else:
            other = self.medians.get((must.figure or figure.name, must.subject))
            got = mine / other if mine is not None and other else None
            of = must.subject if not must.figure else self.titles[must.figure]
            text, shown = "%g x %s" % (must.limit, of), "-" if got is None else "%.2f x" % got
        if got is None:
            return "<= " + text, "not measured"
        return "<= " + text, "%s: %s" % ("reached" if got <= must.limit else "missed", shown)

    def floor(self, figure):
        """The floor that ratios are to: the last one that is named."""
        return self.value(figure, figure.floors[-1]) if figure.floors else None

    def with_ratios(self, figure, name):
        value, floor = self.value(figure, name), self.floor(figure)
        if value is None:
            return "-"
        # What costs next to nothing, such as memory of a relay, is no measure.
        ratios = ["%.1f x floor" % (value / floor)] if floor and value / floor < 50 else []
        mine = self.value(figure, main_subject(figure))
        if name != main_subject(figure) and mine and mine > 0 and "Jackdaw" not in name:
            ratios.append("%.1f x Jackdaw" % (value / mine))
        return self.number(figure, value) + (" (%s)" % ", ".join(ratios) if ratios else "")

    # -- text -------------------------------------------------------------------------

    def text(self):
        lines = []
        for figure in self.figures:
            must, verdict = self.verdict(figure)
            lines.append("%s, %s" % (figure.title, figure.unit))
            for name in figure.floors:
                lines.append("    %-24s %s" % (name, self.number(figure,
                                                                 self.value(figure, name))))
            for name in figure.subjects:
                if (figure.name, name) in self.medians:
                    lines.append("    %-24s %s" % (name, self.with_ratios(figure, name)))
            if must:
                lines.append("    must be %s: %s" % (must, verdict))
        lines += ["BROKEN: " + text for text in self.broken]
        lines += ["NOTE: " + text for text in self.remarks]
        return "\n".join(lines + ["%.0f minutes" % self.minutes])

    # -- Markdown ----------------------------------------------------------------------

    def row(self, figure):
        floors = " / ".join("%s %s" % (name, self.number(figure, self.value(figure, name)))
                            for name in figure.floors)
        threads = [name for name in figure.subjects if " io=" in name]
        others = " / ".join("%s: %s" % (name.split(" ")[1], self.number(
            figure, self.value(figure, name))) for name in threads)
        peers = ["".join(self.with_ratios(figure, name) for name in figure.subjects
                         if name.startswith(peer)) for peer in ("Prosody", "ejabberd")]
        cells = ["%s, %s" % (figure.title, figure.unit), floors,
                 self.with_ratios(figure, main_subject(figure)), others, *peers,
                 *self.verdict(figure)]
        return "| %s |" % " | ".join(cells)

    def write(self, folder):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "benchmark.md.in"),
                  encoding="utf-8") as file:
            head = file.read()
        missed = sum(self.verdict(figure)[1].startswith("missed") for figure in self.figures)
        reached = sum(self.verdict(figure)[1].startswith("reached") for figure in self.figures)
        table = ["| figure | %s |" % " | ".join(HEADER), "|%s" % (" --- |" * (len(HEADER) + 1))]
        table += [self.row(figure) for figure in self.figures]
        if self.broken:
            table += ["", "What lost something or failed, and is left out of the figures:", ""]
            table += ["- " + text for text in self.broken]
        if self.remarks:
            table += [""] + ["- " + text for text in self.remarks]
        values = {"date": datetime.date.today().isoformat(), "machine": machine(),
                  "minutes": "%.0f" % self.minutes, "rounds": self.args.rounds, "load": "%.1f" % self.load, "reached": reached,
                  "missed": missed, "left": len(self.figures) - reached - missed - sum(
                      not figure.must for figure in self.figures), "quick":
                  " **Made with --quick: only the form is of use.**" if self.args.quick else "",
                  "table": "\n".join(table)}
        with open(os.path.join(folder, "benchmark.md"), "w", encoding="utf-8") as file:
            file.write(head.format(**values))
        with open(os.path.join(folder, "benchmark.svg"), "w", encoding="utf-8") as file:
            file.write(self.picture())

    # -- the picture ---------------------------------------------------------------------

    def bars(self, figure):
        """[(name, colour, value)]"""
        rows = [(name, BAR["floor"]) for name in figure.floors[-1:]]
        rows += [(name, BAR[name.split(" ")[0]]) for name in figure.subjects if " io=" not in name]
        return [(name if name in figure.floors else name.split(" ")[0], colour, self.value(figure, name))
                for name, colour in rows if self.value(figure, name) is not None]

    def picture(self):
        """Each figure has a scale of its own: its longest bar is full."""
        out, y = [], 40
        for figure in self.figures:
            bars = self.bars(figure) if figure.name in IN_PICTURE else []
            if not bars:
                continue
            out.append('<text x="10" y="%d" class="t">%s, %s</text>' % (y, figure.title,
                                                                       figure.unit))
            longest = max(max(value for _, _, value in bars), 1e-9)
            for name, colour, value in bars:
                y += 18
                width = max(1.0, 420 * max(value, 0) / longest)
                out.append('<text x="160" y="%d" class="n">%s</text>' % (y, name))
                out.append('<rect x="170" y="%d" width="%.1f" height="13" fill="%s"/>'
                           % (y - 11, width, colour))
                out.append('<text x="%.1f" y="%d">%s</text>' % (176 + width, y,
                                                                self.number(figure, value)))
            y += 30
        style = ("text{font:12px sans-serif;fill:#222}.t{font-weight:bold}"
                 ".n{text-anchor:end}.h{font-weight:bold;font-size:14px}")
        return ('<svg xmlns="http://www.w3.org/2000/svg" width="680" height="%d" '
                'viewBox="0 0 680 %d" role="img">\n<title>Benchmark: shorter is better</title>\n'
                '<style>%s</style>\n<rect width="680" height="%d" fill="#fff"/>\n'
                '<text x="10" y="16" class="h">Shorter is better; each figure has its own scale'
                '</text>\n%s\n</svg>\n' % (y, y, style, y, "\n".join(out)))
