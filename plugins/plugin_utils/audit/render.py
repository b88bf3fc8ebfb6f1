"""Render an audit's report: a sentence, a table for the terminal, and a page of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from ..core.text import plain
from .compare.kinds import ABOUT
from .verdict import Verdict

TEMPLATE = Path(__file__).with_name("report.html.j2")

_SIGNS = {"drift": "!", "unknown": "?"}


def headline(report: Mapping[str, Any]) -> str:
    """Return the result in one sentence: how many hosts are in sync, and how many are not."""
    counts, hosts = report["counts"], report["hosts"]
    left_out = hosts["total"] - hosts["audited"]
    limited = f" (limited: {left_out} of {hosts['total']} hosts were not audited)" if hosts["limited"] else ""
    if not hosts["audited"]:
        return "Nothing proven: no host was audited"
    if report["proven"]:
        rest = f"; {counts['maintenance']} in maintenance, not counted" if counts["maintenance"] else ""
        return f"{counts['parity']} of {hosts['audited']} hosts are in sync{rest}{limited}"
    words = {"drift": "drifted", "unknown": "unknown", "maintenance": "in maintenance"}
    parts = [f"{counts[key]} {word}" for key, word in words.items() if counts[key]]
    return f"Not in sync: of {hosts['audited']} hosts {', '.join(parts)}, {counts['parity']} in sync{limited}"


def failure_message(report: Mapping[str, Any], shown: int = 5) -> str:
    """Return why an audit fails: the headline, then the first `shown` hosts with the first difference of each."""
    bad = [result for result in report["results"] if result["verdict"] in (Verdict.DRIFT.value, Verdict.UNKNOWN.value)]
    lines = [headline(report) + "."]
    for result in bad[:shown]:
        first = [drift_line(item) for item in result["drift"][:1]] or ["nothing is known about it"]
        more = f" (and {len(result['drift']) - 1} more)" if len(result["drift"]) > 1 else ""
        lines.append(f"{result['host']}: {plain(first[0], 120)}{more}")
    if len(bad) > shown:
        lines.append(f"and {len(bad) - shown} more hosts")
    return "\n".join(lines)


def drift_line(drift: Mapping[str, Any]) -> str:
    """Return a drift of a report as one line."""
    return f"{drift['subject']}: {drift['detail']}"


def render_terminal(report: Mapping[str, Any], rows: int = 60, lines: int = 40) -> str:
    """Return the report for a terminal: a table of each environment's digest on each host, then the differences.

    :param rows: hosts in the table at most; if there are more, only hosts that are not in sync are listed
    :param lines: lines of drift at most
    """
    results = report["results"]
    bad = [result for result in results if result["verdict"] != Verdict.PARITY.value]
    shown = results if len(results) <= rows else bad[:rows]
    table = [["host", "tier", "verdict", *report["envs"], "base, host"]]
    table += [_row(result, report["envs"]) for result in shown]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    out = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]
    out.insert(1, "  ".join("-" * width for width in widths))
    if len(shown) < len(results):
        out.append(f"... and {len(results) - len(shown)} more hosts, see the report")
    left = lines
    for result in bad:
        if left <= 0:
            out.append("... and more, see the report")
            break
        window = result["maintenance"]
        why = f", in maintenance until {window['until']}: {window['reason']}" if window else ""
        out += ["", f"{result['host']}{why}"]
        drifts = result["drift"][: min(6, left)]
        out += [f"  {drift_line(item)}" for item in drifts]
        if len(result["drift"]) > len(drifts):
            out.append(f"  ... and {len(result['drift']) - len(drifts)} more")
        left -= len(drifts) + 1
    for item in report["differences"]:
        changes = ", ".join(item["changes"][:4]) or "variables or pip"
        more = f" and {len(item['changes']) - 4} more" if len(item["changes"]) > 4 else ""
        where = f"{item['env']} ({item['platform']})"
        out += ["", f"declared: {where} differs between {item['from']} and {item['to']}: {changes}{more}"]
    for item in report["rollbacks"]:
        out += ["", rollback_line(item)]
    return "\n".join([*out, "", headline(report)])


def _row(result: Mapping[str, Any], envs: list[str]) -> list[str]:
    """Return a host's row of the table."""
    verdict = result["verdict"]
    row = [
        result["host"] + (" (simulated GPU)" if result["facts"].get("simulated") else ""),
        result["tier"] or "-",
        "in sync" if verdict == Verdict.PARITY.value else verdict.upper(),
    ]
    for name in envs:
        env = result["envs"].get(name)
        row.append(f"{env.get('digest', '')[:12]} {_SIGNS.get(env['verdict'], '')}".strip() if env else "-")
    return [*row, _SIGNS.get(result["around"], "ok")]


def rollback_line(item: Mapping[str, Any]) -> str:
    """Return one line about a tier's lock that was rolled back: when, from which digest to which, and why."""
    new, old = (", ".join(dict.fromkeys(str(digest)[:12] for digest in item[key].values())) for key in ("to", "from"))
    why = f": {plain(item['reason'], 120)}" if item["reason"] else ""
    where = f"{item['env']} in {item['tier']}"
    return plain(f"rolled back: {where}, {item['at'][:10]}, to {new} from {old or 'nothing'}{why}")


def hue(digest: str) -> int:
    """Return a colour for a digest, as an angle in degrees: equal digests have equal colours."""
    return int(digest[:4] or "0", 16) * 360 // 65536 if all(c in "0123456789abcdef" for c in digest[:4]) else 0


def format_size(value: float) -> str:
    """Return a number of bytes in GB or TB."""
    if value >= 1e12:
        return f"{value / 1e12:.1f} TB"
    return f"{value / 1e9:.0f} GB" if value >= 1e10 else f"{value / 1e9:.1f} GB"


def render_html(report: Mapping[str, Any]) -> str:
    """Return the report as one self-contained page: it loads nothing, and all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters.update(hue=hue, size=format_size, rollback_line=rollback_line)
    about = {kind.value: about for kind, about in ABOUT.items()}
    template = environment.get_template(TEMPLATE.name)
    return template.render(report=report, headline=headline(report), about=about)
