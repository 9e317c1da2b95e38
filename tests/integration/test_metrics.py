"""Figures as Prometheus' own programs take them: promtool judges the text, and node_exporter serves it."""

import contextlib
import socket
import subprocess
import time
import urllib.request

from goferry.kernel.files import write_atomically
from goferry.observe import delivery
from goferry.observe.delivery import Delivery, Spread, Totals

DAY = 86_400
PROJECTS = [
    Delivery(
        "shop", 30 * DAY, Totals(12, 1, 2, 1), Totals(40, 3, 5, 2), 2, Spread(10, 5400, 200_000.5), Spread(2, 95.25, 120),
        1_767_225_612.5,
    ),
    Delivery('a"b\\c\nd {} é', 30 * DAY, Totals(), Totals()),
]  # fmt: skip


@contextlib.contextmanager
def exporter(program, folder):
    """node_exporter with its textfile collector alone; yields what a scrape returns."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [
        program, "--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}",
        f"--web.listen-address={address}",
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield lambda: _scrape(f"http://{address}/metrics", process)
    finally:
        process.terminate()
        process.wait(10)


def _scrape(url, process):
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_prometheus_own_programs_take_the_figures(tmp_path, part):
    text = delivery.prometheus(PROJECTS, "production")
    words = [part("promtool"), "check", "metrics"]
    judged = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")
    bad = subprocess.run(words, input=text.replace(" gauge", " counter"), capture_output=True, text=True, check=False)
    assert bad.returncode

    write_atomically(tmp_path / "goferry.prom", text.encode())
    with exporter(part("prometheus-node-exporter"), tmp_path) as scrape:
        served = scrape()
    assert "node_textfile_scrape_error 0" in served
    for line in text.splitlines():
        if not line.startswith("#") and "1767225612.5" not in line:
            name, _, value = line.rpartition(" ")
            labels = sorted(name[name.index("{") + 1 : -1].split(","))
            found = [each for each in served.splitlines() if each.startswith(name[: name.index("{")] + "{")]
            same = [each for each in found if sorted(each[each.index("{") + 1 : each.rindex("}")].split(",")) == labels]
            assert [float(each.rpartition(" ")[2]) for each in same] == [float(value)], line
