"""Figures of software delivery as a person, Prometheus and a browser read them; hostile text has no effect in any."""

import re

from goferry.observe import delivery, delivery_page
from goferry.observe.delivery import Delivery, DeliveryEntry, Spread, Totals

DAY = 86_400
EVIL = 'shop"} 1\n<script>\x1b[31m\\'
SHOP = Delivery(
    "shop", 30 * DAY, Totals(12, 1, 2, 1), Totals(40, 3, 5, 2), 2, Spread(10, 5400, 200_000.5), Spread(2, 95.25, 120),
    1_767_225_612.5,
    (
        DeliveryEntry("2026-01-01T00:00:12Z", "v1.4.0", 2, "committed", failed=True, recovery_seconds=95),
        DeliveryEntry("2026-01-02T00:00:12Z", "v1.5.0", 2, "aborted", failed=False),
        DeliveryEntry("2026-01-03T00:00:12Z", "v1.5.1", 2, "committed", failed=False, lead_seconds=5400),
    ),
)  # fmt: skip
NOTHING = Delivery("blog", DAY, Totals(), Totals())


def test_a_table():
    assert delivery.table([SHOP, NOTHING]) == [
        "shop, the last 30 days",
        "  deployment frequency             12 (2.8 a week)",
        "  lead time for changes            1 h 30 min (median of 10; nine of ten within 2 d 08 h)",
        "  change failure rate              15% (2 of 13)",
        "  failed deployment recovery time  1 min 35 s (median of 2; nine of ten within 2 min 00 s)",
        "  the last deploys                 ✗·✓",
        "blog, the last 24 h 00 min",
        "  deployment frequency             none",
        "  lead time for changes            not known",
        "  change failure rate              no deployments",
        "  failed deployment recovery time  nothing to recover from",
    ]


def test_prometheus_text():
    assert delivery.prometheus([SHOP, NOTHING], "production").splitlines()[:9] == [
        "# HELP goferry_recorded_deploys Deploys by what they came to, as far as the hosts' records reach.",
        "# TYPE goferry_recorded_deploys gauge",
        'goferry_recorded_deploys{project="shop",environment="production",outcome="committed"} 40',
        'goferry_recorded_deploys{project="shop",environment="production",outcome="rolled_back"} 3',
        'goferry_recorded_deploys{project="shop",environment="production",outcome="aborted"} 5',
        'goferry_recorded_deploys{project="blog",environment="production",outcome="committed"} 0',
        'goferry_recorded_deploys{project="blog",environment="production",outcome="rolled_back"} 0',
        'goferry_recorded_deploys{project="blog",environment="production",outcome="aborted"} 0',
        "# HELP goferry_recorded_rollbacks Rollbacks that somebody asked for, as far as the hosts' records reach.",
    ]
    text = delivery.prometheus([SHOP, NOTHING])
    assert 'goferry_lead_time_p90_seconds{project="shop"} 200000.5\n' in text
    assert 'goferry_last_deployment_timestamp_seconds{project="shop"} 1767225612.5\n' in text
    # What has no data has no sample, rather than a zero.
    assert not re.search(r'(lead|recovery|failure|last)\w*{project="blog"', text)
    assert delivery.prometheus([]) == ""


def test_hostile_names_stay_labels():
    (line,) = [
        line
        for line in delivery.prometheus([Delivery(EVIL, DAY, Totals(), Totals())]).splitlines()
        if line.startswith("goferry_window_seconds")
    ]
    assert line == 'goferry_window_seconds{project="shop\\"} 1\\n<script>\\\\x1b[31m\\\\"} 86400'


def test_a_page_needs_nothing_else_and_escapes_all():
    entry = DeliveryEntry("now", EVIL, 1, EVIL, failed=False)
    page = delivery_page.render(
        [SHOP, Delivery(EVIL, DAY, Totals(), Totals(), recent=(entry,))], environment=EVIL, now="2026-01-01T00:00:00Z"
    )
    assert "<script" not in page
    assert "\x1b" not in page
    assert not re.search(r"https?://|url\(|@import|src=", page)
    assert "committed, rolled back later" in page
    assert "Nothing was deployed" in delivery_page.render([], environment="", now="")
