"""The configuration file, its precedence and its refusals."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jobs.configuration import InvalidConfiguration, load_configuration
from jobs.settings import Settings

EXAMPLE = Path("config.example.toml")

ORG = """
[org.main]
instance_url = "https://acme.my.salesforce.com"
client_id = "key"
username = "u@acme.example"
private_key = "file:secret.key"
"""


def load(folder: Path, text: str | None, environment: dict[str, str] | None = None, **flags: str):
    if text is not None:
        (folder / "rebates.toml").write_text(text)
    return load_configuration(start=folder, environment=environment or {}, flags=flags)


def test_the_example_is_a_working_configuration():
    found = load_configuration(explicit=EXAMPLE, start=Path.cwd(), environment={})
    assert found.org().username == "rebate.integration@acme.example"
    assert found.settings.schedule.sync is not None


def test_every_setting_is_in_the_example_and_nothing_else():
    from jobs.configuration import _sections

    text = EXAMPLE.read_text()
    for key, _ in _sections():
        leaf = key.rsplit(".", 1)[-1]
        if leaf != "alias":  # the alias is the table's own name
            assert re.search(rf"^(# )?{leaf} = ", text, re.M), f"{key} is not in config.example.toml"


def test_the_defaults_in_the_example_are_the_defaults_in_the_code():
    example = tomllib.loads(EXAMPLE.read_text())
    plain = Settings()
    for section in ("state", "sync", "engine", "push", "alerts", "logging"):
        given = type(getattr(plain, section)).model_validate(example.get(section, {}))
        assert given == getattr(plain, section), section


def test_a_misspelt_key_is_refused_with_a_suggestion(tmp_path):
    with pytest.raises(InvalidConfiguration) as caught:
        load(tmp_path, '[state]\nulr = "sqlite:///x.db"\n' + ORG.replace("client_id", "clientid"))
    said = "\n".join(map(str, caught.value.problems))
    assert 'state.ulr: there is no such setting (did you mean "state.url"?)' in said
    assert 'org.main.clientid: there is no such setting (did you mean "org.main.client_id"?)' in said


def test_a_flag_beats_the_environment_beats_the_project_file(tmp_path):
    text = '[logging]\nlevel = "error"\n[state]\nurl = "sqlite:///file.db"\n'
    assert load(tmp_path, text).settings.logging.level == "error"
    found = load(tmp_path, text, {"REBATES_LOGGING_LEVEL": "debug"})
    assert found.settings.logging.level == "debug"
    assert found.origins["logging.level"] == "REBATES_LOGGING_LEVEL"
    found = load(
        tmp_path, text, {"REBATES_STATE_URL": "sqlite:///env.db"}, **{"state.url": "sqlite:///flag.db"}
    )
    assert found.settings.state.url == f"sqlite:///{tmp_path}/flag.db"
    assert found.origins["state.url"] == "command line"


def test_the_user_file_is_under_the_project_file(tmp_path):
    user = tmp_path / "home" / ".config" / "rebates"
    user.mkdir(parents=True)
    (user / "rebates.toml").write_text('[logging]\nlevel = "debug"\nformat = "json"\n')
    project = tmp_path / "project" / "deep"
    project.mkdir(parents=True)
    (project.parent / "rebates.toml").write_text('[logging]\nlevel = "warning"\n')
    found = load_configuration(start=project, environment={"HOME": str(tmp_path / "home")})
    assert (found.settings.logging.level, found.settings.logging.format) == ("warning", "json")


def test_relative_paths_start_where_they_are_written_down(tmp_path):
    found = load(tmp_path, 'mapping = "m.toml"\nprograms = "p"\n[state]\nurl = "sqlite:///r.db"\n' + ORG)
    assert found.settings.mapping == str(tmp_path / "m.toml")
    assert found.settings.programs == tmp_path / "p"
    assert found.settings.state.url == f"sqlite:///{tmp_path}/r.db"
    assert found.org().private_key == f"file:{tmp_path}/secret.key"


def test_broken_toml_names_the_file_and_the_line(tmp_path):
    with pytest.raises(InvalidConfiguration, match=r"rebates\.toml.*not readable TOML.*line 2"):
        load(tmp_path, "[state]\nurl = \n")


def test_an_org_that_is_not_there_is_named_with_a_suggestion(tmp_path):
    with pytest.raises(
        InvalidConfiguration, match=r'org\.mian: there is no such org \(did you mean "main"\?\)'
    ):
        load(tmp_path, ORG).org("mian")
    with pytest.raises(InvalidConfiguration, match=r"it has no \[org"):
        load(tmp_path, "").org()


@pytest.mark.parametrize("value", ["15", "0m", "1w", "soon"])
def test_a_duration_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(InvalidConfiguration, match="is not a duration"):
        load(tmp_path, f'[sync]\nlookback = "{value}"\n')


def test_a_schedule_has_exactly_one_rhythm(tmp_path):
    with pytest.raises(InvalidConfiguration, match="exactly one of every"):
        load(tmp_path, '[schedule.sync]\nevery = "15m"\ncron = "* * * * *"\n')
