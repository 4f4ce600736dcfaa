"""Prometheus's own engine, on series that were scraped from the real binary."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chart import ROOT

PROMTOOL = Path(os.environ.get("PROMTOOL", ROOT / ".venv/bin/promtool"))


def samples(page):
    """What a scrape has: (name, labels) to value. The parser is strict."""
    families = text_string_to_metric_families(page)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def counts(name):
    return name.endswith(("_total", "_bucket", "_count", "_sum"))


class Timeline:
    """Series over time, of scrapes. A counter that has grown between two scrapes goes on growing like that, by as much
    in each step; a gauge is as it was scraped."""

    def __init__(self, step="1m"):
        self.step, self.at = step, 0
        # Of each series the parts in promtool's notation, and the last value.
        self.series = {}

    def phase(self, steps, after, before=None, grows=()):
        """`steps` more: from the scrape `before`, or without any growth, as it was at `after`. The gauges that begin
        with `grows` are ages, which grow by themselves."""
        after, before, now = samples(after), samples(before or after), time.time()
        seconds = {"1m": 60, "1h": 3600}[self.step]
        for key, value in after.items():
            name, labels = key
            # One that was not scraped before is there from now on, as a new series is.
            parts, start = self.series.get(key, ([f"_x{self.at}"] if self.at else [], before.get(key, 0.0)))
            if counts(name):
                pace = value - before.get(key, 0.0)
            else:
                pace = float(seconds) if name.startswith(tuple(grows)) else 0.0
                # In a timeline time begins at 0: what is so far from now is as far from then.
                start = value - now + self.at * seconds if name.endswith("_timestamp_seconds") else value
            parts.append(f"{start + pace}+{pace}x{steps - 1}")
            self.series[key] = (parts, start + pace * steps)
        self.at += steps
        return self

    def input(self, names):
        """The series whose names the rules have."""
        told = []
        for (name, labels), (parts, _) in self.series.items():
            if name in names:
                both = {**dict(labels), "job": "plimsoll", "namespace": "trust", "pod": "plimsoll-0"}
                inner = ",".join(f'{key}="{value}"' for key, value in sorted(both.items()))
                told.append({"series": f"{name}{{{inner}}}", "values": " ".join(parts)})
        return told or [{"series": "up", "values": f"0x{self.at}"}]


def expect(group, timeline, firing):
    """Runs the rules over the series: at each step of `firing` these alerts fire, and no others."""
    names = {name for rule in group["rules"] for name in re.findall(r"plimsoll_[a-z_]+", rule["expr"])}
    with tempfile.TemporaryDirectory() as folder:
        rules, tests = Path(folder) / "rules.yaml", Path(folder) / "tests.yaml"
        rules.write_text(yaml.safe_dump({"groups": [group]}))
        asked = [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{step}{timeline.step[-1]}",
                "exp_samples": [
                    {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)
                ],
            }
            for step, alerts in firing.items()
        ]
        tests.write_text(
            yaml.safe_dump(
                {
                    "rule_files": [str(rules)],
                    "evaluation_interval": timeline.step,
                    "tests": [
                        {
                            "interval": timeline.step,
                            "input_series": timeline.input(names),
                            "promql_expr_test": asked,
                        }
                    ],
                }
            )
        )
        ran = subprocess.run([PROMTOOL, "test", "rules", tests], capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stdout + ran.stderr
