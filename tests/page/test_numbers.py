"""The page says the same as the command line."""

import csv
import io
import urllib.request


def numbers(visitor, selector):
    return [int(text.replace(",", "")) for text in visitor.texts(selector)]


def test_each_level_of_the_subnets_agrees_with_the_one_above_and_with_the_command(visitor, served):
    until = str(served.api("/api/delivery.json")["rows"][0]["hour_at"] + 3600)
    times = f"since=1d&until={until}"
    prefix = "10.0.0.0/8"
    for _ in range(4):
        visitor.open(f"/map?prefix={prefix}&{times}")
        rows = served.cli("subnets", "--subnet", prefix, "--since", "1d", "--until", until)
        boots, failed = (sum(row[name] for row in rows) for name in ("boots", "failed"))
        # Between the two askings a boot may have become older than a day.
        assert abs(sum(numbers(visitor, "td[data-boots]")) - boots) <= 1
        assert sum(numbers(visitor, "td[data-failed]")) == failed > 0
        prefix = visitor.texts("tbody th a")[0]
        went_from = visitor.driver.current_url
        visitor.run("document.querySelector('tbody th a').click()")
        visitor.wait(lambda page=went_from: visitor.driver.current_url != page, "the next level")
    assert "/machine/" in visitor.driver.current_url


def test_filters_of_a_table_agree_with_the_command(visitor, served):
    asked = {"site": "Berlin Labs", "outcome": "fault", "server": "WDS01"}
    visitor.open("/q/machines")
    for name, value in asked.items():
        visitor.run("document.querySelector(`main input[name=${arguments[0]}]`).value = arguments[1]", name, value)
    visitor.run("document.querySelector('main form').requestSubmit()")
    visitor.wait(lambda: "outcome=fault" in visitor.driver.current_url, "the answer")
    rows = served.cli("machines", *(word for name, value in asked.items() for word in (f"--{name}", value)))
    assert int(visitor.text("#count")) == len(rows) > 5
    link = visitor.run("return document.querySelector('main a[href*=\".csv\"]').href")
    with urllib.request.urlopen(link, timeout=60) as answer:
        assert len(list(csv.DictReader(io.StringIO(answer.read().decode())))) == len(rows)


def test_a_pattern_says_the_numbers_of_the_command_and_leads_to_the_convicting_line(visitor, served, places):
    name = places["pattern"].rpartition("/")[2]
    row = served.cli("why", name)
    visitor.open(places["pattern"])
    assert f"{row['failed']} of {row['boots']}" in visitor.texts(".rates tr")[0]
    assert row["sentence"] in visitor.text()
    assert "new firewall rules for the labs" in visitor.text()
    assert len(visitor.texts(".columns li")) == len(row["machines"])
    visitor.run("document.querySelector('.evidence a[href*=\"/log?\"]').click()")
    visitor.wait(lambda: "/log?" in visitor.driver.current_url, "the log")
    line = next(seen for seen in row["lines"] if seen["file"])
    assert visitor.texts(":target code") == [line["text"]]
    assert "convicting" in visitor.run("return document.querySelector(':target').className")


def test_filters_of_the_patterns_agree_with_the_command(visitor, served):
    for name, value in (("site", "Berlin Labs"), ("site", "Atlantis"), ("outcome", "silent")):
        visitor.open("/patterns")
        visitor.run("document.querySelector(`main input[name=${arguments[0]}]`).value = arguments[1]", name, value)
        visitor.run("document.querySelector('main form').requestSubmit()")
        visitor.wait(lambda word=name: f"{word}=" in visitor.driver.current_url, "the answer")
        rows = served.cli("patterns", f"--{name}", value)["patterns"]
        assert visitor.texts(".card h2") == [row["label"] or row["title"] for row in rows], (name, value)
        assert bool(rows) is (value != "Atlantis")
    link = visitor.run("return document.querySelector('main a[href*=\".json\"]').getAttribute('href')")
    assert served.api(link)["rows"][0]["kind"] == "silence"


def test_machines_that_only_servers_saw_are_named_drawn_and_lead_to_what_was_logged(visitor, served, places):
    row = served.cli("why", places["silence-pattern"].rpartition("/")[2])
    assert [one["address"] for one in row["machines_seen"]] == [f"10.30.16.{20 + n}" for n in range(4)]
    visitor.open(places["silence-pattern"])
    assert visitor.texts(".columns li") == [f"{one['machine_id']} {one['address']}" for one in row["machines_seen"]]
    assert visitor.run("return document.querySelectorAll('.chart .bar-bad').length") >= 1
    visitor.run("document.querySelector('main a[href^=\"/silent/\"]').click()")
    visitor.wait(lambda: "/silent/" in visitor.driver.current_url, "what was logged")
    assert "its boot image did not come" in visitor.text() or "never reached RPC" in visitor.text()
    assert "PXE request answered" in visitor.text()


def test_a_search_for_an_address_that_only_servers_saw_leads_there(visitor, served, places):
    mac = places["silent"].rpartition("/")[2]
    visitor.open(f"/q/machines?search={mac.upper()}")
    assert mac.upper() in visitor.texts(".nothing a")
    visitor.open(f"/machine/{mac}")
    assert f"{mac} as the servers saw it" in visitor.texts("h1")


def test_sql_takes_names_as_fields_and_refuses_to_write(visitor, served):
    visitor.open("/sql?query=SELECT+count(*)+AS+n+FROM+boots+WHERE+site=:site&p_site=Koeln")
    assert visitor.run("return document.querySelector('input[name=p_site]').value") == "Koeln"
    counted = served.cli("sql", "SELECT count(*) AS n FROM boots WHERE site='Koeln'")
    assert visitor.texts("table.answer td") == [str(counted[0]["n"])]
    visitor.open("/sql?query=DELETE+FROM+report")
    assert "only SELECT" in visitor.text(".problem")
