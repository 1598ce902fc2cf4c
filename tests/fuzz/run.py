"""Runs many cases in child processes and counts how they end: `python -m tests.fuzz.run --count 20000 --seed 0`.

`--only TARGET:NUMBER` shows a single case again; `--target NAME` keeps to one way in.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.targets import all_targets
from tests.fuzz.worker import UNUSABLE

_CASE_WALL_S = 60.0  # above every wait of the program itself; the processor's time is limited by the worker
_START_WALL_S = 120.0
_CASES_A_CHILD = 4000  # so that a slow leak is seen as such, and a fresh process is not the rule


@dataclass(slots=True)
class Finding:
    """A case that ended as none may."""

    target: str
    number: int
    what: list[str]


@dataclass(slots=True)
class Count:
    """How the cases of a target ended."""

    cases: int = 0
    read: int = 0
    refused: int = 0
    findings: int = 0
    cpu_s: float = 0.0
    slowest_s: float = 0.0


@dataclass(slots=True)
class Report:
    """What a run came to."""

    schema: str = "guidance-app/fuzz/1"
    seed: int = 0
    count: int = 0
    seconds: float = 0.0
    peak_mib: int = 0
    targets: dict[str, Count] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def cases_of(count: int, seed: int, targets: Sequence[str] = ()) -> list[tuple[str, int]]:
    """(target, number) of a run, target by target; a seed has numbers of its own."""
    chosen = [target for target in all_targets() if target.share and (not targets or target.name in targets)]
    total = sum(target.share for target in chosen)
    cases = []
    for target in chosen:
        wanted = max(1, round(count * target.share / total))
        cases += [(target.name, seed * 1_000_000 + index) for index in range(wanted)]
    return cases


def fuzz(cases: Sequence[tuple[str, int]], *, seed: int = 0, progress: bool = False) -> Report:
    """Run the cases; a child that dies or hangs is a finding, and another one goes on behind it.

    Ended by Ctrl-C or SIGTERM, it reports what was done until then.
    """
    report, began_s, at = Report(seed=seed, count=len(cases)), time.monotonic(), 0
    try:
        while at < len(cases):
            at += _in_a_child(cases[at : at + _CASES_A_CHILD], report, progress)
    except KeyboardInterrupt:
        report.count = sum(count.cases for count in report.targets.values())
    report.seconds = round(time.monotonic() - began_s, 1)
    return report


def _in_a_child(cases: Sequence[tuple[str, int]], report: Report, progress: bool) -> int:
    """How many of the cases were done (or given up)."""
    with _child() as child:
        for done, (name, number) in enumerate(cases):
            outcome = child.ask(name, number)
            _book(report, name, number, outcome)
            if progress and (done % 200 == 199 or outcome["verdict"] == "finding"):
                print(f"{name}:{number} {sum(count.cases for count in report.targets.values())}/{report.count}"
                      f" {'; '.join(outcome['found'])}", file=sys.stderr, flush=True)  # fmt: skip
            if child.ended:
                return done + 1
    return len(cases)


def _book(report: Report, name: str, number: int, outcome: dict[str, Any]) -> None:
    count = report.targets.setdefault(name, Count())
    count.cases += 1
    count.read += outcome["verdict"] == "read"
    count.refused += outcome["verdict"] == "refused"
    count.cpu_s = round(count.cpu_s + outcome["cpu_s"], 4)
    count.slowest_s = max(count.slowest_s, outcome["cpu_s"])
    report.peak_mib = max(report.peak_mib, outcome["peak_mib"])
    if outcome["verdict"] == "finding":
        count.findings += 1
        report.findings.append(Finding(name, number, outcome["found"]))


class _Child:
    """A worker, asked case by case."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: Path) -> None:
        self._process, self._complaints = process, complaints
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ)
        self._buffer = b""
        self._first = True
        self.ended = False

    def ask(self, name: str, number: int) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{name} {number}\n".encode())
            self._process.stdin.flush()
            for _ in range(2):  # "begin", then the outcome
                answer = self._answer(_START_WALL_S if self._first else _CASE_WALL_S)
            self._first = False
        except TimeoutError:
            return self._lost(f"did not end within {_CASE_WALL_S:g} s")
        except (EOFError, BrokenPipeError):
            if self._process.wait(10) == UNUSABLE:
                said = self._complaints.read_text(errors="replace")
                raise RuntimeError(f"{name} cannot be fuzzed: {said}") from None
            return self._lost(f"the process died ({self._process.wait(10)})")
        said = self._complaints.read_bytes()
        if b"Traceback (most recent call last)" in said:
            answer["found"].append(
                "printed a traceback: " + said.decode("utf-8", "replace")[-400:].replace("\n", " | ")
            )
            answer["verdict"] = "finding"
        if said:
            self._complaints.write_bytes(b"")
        return answer

    def _answer(self, limit_s: float) -> dict[str, Any]:
        end = time.monotonic() + limit_s
        while b"\n" not in self._buffer:
            if not self._selector.select(max(0.0, end - time.monotonic())):
                raise TimeoutError
            assert self._process.stdout is not None
            piece = os.read(self._process.stdout.fileno(), 65536)
            if not piece:
                raise EOFError
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def _lost(self, why: str) -> dict[str, Any]:
        self.ended = True
        self._process.kill()
        said = self._complaints.read_bytes()[-400:].decode("utf-8", "replace").replace("\n", " | ")
        return {"verdict": "finding", "found": [f"{why} {said}".strip()], "cpu_s": 0.0, "peak_mib": 0}


@contextlib.contextmanager
def _child() -> Iterator[_Child]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        complaints = Path(folder) / "stderr.txt"
        work = Path(folder) / "work"
        work.mkdir()
        with complaints.open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.worker", str(work)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        try:
            yield _Child(process, complaints)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", default=[], help="keep to this way in; may be given several times")
    parser.add_argument("--only", help="TARGET:NUMBER, a single case")
    parser.add_argument("--json", type=Path, help="file for the report")
    chosen = parser.parse_args(arguments)
    if chosen.only:
        name, _, number = chosen.only.partition(":")
        cases = [(name, int(number))]
    else:
        cases = cases_of(chosen.count, chosen.seed, chosen.target)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = fuzz(cases, seed=chosen.seed, progress=True)
    text = json.dumps(asdict(report), indent=1)
    if chosen.json:
        chosen.json.write_text(text + "\n")
    for name, count in report.targets.items():
        ends = f"{count.cases:6} cases {count.read:6} read {count.refused:6} refused {count.findings:4} findings"
        print(f"{name:12} {ends} {count.cpu_s:7.1f} s slowest {count.slowest_s:.2f} s")
    for finding in report.findings:
        print(f"{finding.target}:{finding.number} {'; '.join(finding.what)}")
    print(f"{report.count} cases, {len(report.findings)} findings, {report.seconds} s, peak {report.peak_mib} MiB")
    return 1 if report.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
