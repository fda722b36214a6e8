"""What Windows people type is understood."""

from pe_agent.argv import translate


def test_both_question_marks_ask_for_help():
    assert translate(["report", "/?"], windows=False) == ["report", "--help"]
    assert translate(["-?"], windows=True) == ["--help"]


def test_slash_options_are_options_on_windows():
    given = ["report", "/Format:json", "/no-send", "/collector:c:50051"]
    assert translate(given, windows=True) == ["report", "--format", "json", "--no-send", "--collector", "c:50051"]


def test_slash_words_are_paths_elsewhere():
    assert translate(["explain", "/tmp"], windows=False) == ["explain", "/tmp"]
