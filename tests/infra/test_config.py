from pathlib import Path

import pytest

from infra.broker import access, where
from infra.config import SETTINGS, BadSetting, Config, mistakes
from infra.embedded.ports import is_free, remembered_port


def test_an_empty_environment_gives_what_works_on_a_fresh_machine() -> None:
    config = Config.load({})
    assert config.home == Path(".lonja").absolute()
    assert (config.port, config.public_url, config.policy) == (8000, "http://127.0.0.1:8000", "moscow")
    assert (config.database_url, config.kafka_bootstrap, config.smtp_url) == (None, None, None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LONJA_PORT", "http"),
        ("LONJA_PORT", "65536"),
        ("LONJA_DATABASE_URL", "mysql://host/db"),
        ("LONJA_DATABASE_URL", "postgresql:///db"),
        ("LONJA_KAFKA_BOOTSTRAP", "host"),
        ("LONJA_KAFKA_BOOTSTRAP", "one:9092,two"),
        ("LONJA_KAFKA_BOOTSTRAP", "http://user:password@one:9092"),
        ("LONJA_KAFKA_BOOTSTRAP", "sasl+ssl://one:9092"),
        ("LONJA_KAFKA_BOOTSTRAP", "ssl://user:password@one:9092"),
        ("LONJA_KAFKA_BOOTSTRAP", "sasl+ssl://user:password@one"),
        ("LONJA_KAFKA_BOOTSTRAP", "sasl+ssl://user:password@one:9092?mechanism=MD5"),
        ("LONJA_KAFKA_BOOTSTRAP", "sasl+ssl://user:password@one:9092?certificate=x"),
        ("LONJA_SMTP_URL", "mail.example.org:25"),
        ("LONJA_PUBLIC_URL", "example.org"),
        ("LONJA_POLICY", "../moscow"),
        ("LONJA_POLICY", "Moscow"),
        ("LONJA_POLICIES", __file__),
        ("LONJA_HOME", __file__),
        ("LONJA_HOST", "everywhere"),
        ("LONJA_TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
        ("LONJA_CONNECTIONS", "0"),
        ("LONJA_KEEP_PUBLISHED_DAYS", "0"),
        ("LONJA_KEEP_ANSWERS_DAYS", "a week"),
        ("LONJA_KEEP_CLAIMS_DAYS", "44"),
        ("LONJA_KEEP_LETTERS_DAYS", "59"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(BadSetting, match=variable):
        Config.load({variable: value})


def test_a_kafka_with_login_and_tls_is_one_setting() -> None:
    text = "sasl+ssl://user:p%40ss@one:9092,two:9093?mechanism=SCRAM-SHA-512"
    settings = access(Config.load({"LONJA_KAFKA_BOOTSTRAP": text}).kafka_bootstrap or "")
    assert settings.pop("ssl_context").check_hostname
    assert settings == {
        "bootstrap_servers": "one:9092,two:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "user",
        "sasl_plain_password": "p@ss",
    }
    assert where(text) == "one:9092,two:9093"
    assert access("one:9092") == {"bootstrap_servers": "one:9092"}


def test_a_child_process_loads_an_equal_config(tmp_path: Path) -> None:
    config = Config.load(
        {
            "LONJA_HOME": str(tmp_path),
            "LONJA_PORT": "8123",
            "LONJA_KAFKA_BOOTSTRAP": "one:1,two:2",
            "LONJA_POLICIES": str(tmp_path),
            "LONJA_HOST": "0.0.0.0",
            "LONJA_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "LONJA_CONNECTIONS_PER_ADDRESS": "20",
            "LONJA_KEEP_PUBLISHED_DAYS": "1",
            "LONJA_KEEP_CLAIMS_DAYS": "90",
            "LONJA_KEEP_ANSWERS_DAYS": "2",
            "LONJA_KEEP_LETTERS_DAYS": "91",
        }
    )
    assert config.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert config.local_url == "http://127.0.0.1:8123"
    keep = config.keep
    assert (keep.published_days, keep.claims_days, keep.answers_days, keep.letters_days) == (1, 90, 2, 91)
    assert Config.load(config.environment()) == config


def test_another_terminal_knows_the_settings_of_the_market_of_this_home(tmp_path: Path) -> None:
    home = {"LONJA_HOME": str(tmp_path)}
    assert Config.running(home) == Config.load(home)
    started = {**home, "LONJA_PORT": "8123", "LONJA_POLICY": "demo", "LONJA_SMTP_URL": "", "OTHER": "x"}
    Config.load(started).remember(started)
    assert Config.running(home) == Config.load(started)
    assert Config.running({**home, "LONJA_PORT": "8124"}).public_url == "http://127.0.0.1:8124"
    assert (tmp_path / "run" / "settings.json").stat().st_mode & 0o077 == 0
    Config.load(home).remember(home)
    assert Config.running(home) == Config.load(home), "the last start counts"


def test_ports_are_remembered_and_differ_between_parts(tmp_path: Path) -> None:
    first, other = remembered_port(tmp_path, "postgres"), remembered_port(tmp_path, "kafka")
    assert first != other
    assert is_free(first)
    assert remembered_port(tmp_path, "postgres") == first


def test_a_jurisdictions_own_policy_may_have_a_hyphen_in_its_name() -> None:
    assert Config.load({"LONJA_POLICY": "quick-prozorro"}).policy == "quick-prozorro"


def test_a_variable_that_nothing_reads_is_named_with_the_setting_that_it_was_meant_to_be() -> None:
    environ = {"LONJA_PROT": "8000", "LONJA_HOME": "x", "LONJA_XYZZY": "1", "LONJA_HEARTBEAT": "3", "PATH": "/bin"}
    assert mistakes(environ) == [
        "LONJA_PROT is set, and there is no such setting: is LONJA_PORT meant?",
        "LONJA_XYZZY is set, and there is no such setting: README lists the settings",
    ]


def test_every_setting_that_a_child_process_gets_is_known(tmp_path: Path) -> None:
    assert Config.load({"LONJA_HOME": str(tmp_path)}).environment().keys() <= SETTINGS
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert [name for name in SETTINGS - {"LONJA_CACHE"} if f"`{name}`" not in readme] == []
