//! What is set where, and what is refused.

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, Parser};

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: SettingFlags,
}

fn flags(line: &[&str]) -> SettingFlags {
    Line::parse_from([&["x"][..], line].concat()).flags
}

fn load(line: &[&str], environment: &[(&str, &str)]) -> Result<(Config, String), ConfigError> {
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| OsString::from(value))
    };
    let (effective, errors) = Effective::gather(&flags(line), &variable);
    if let Some(first) = errors.into_iter().next() {
        return Err(first);
    }
    Ok((Config::read(&effective)?, show(&effective)))
}

fn refusal(environment: &[(&str, &str)]) -> String {
    let error = load(&[], environment).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn the_flags_are_sound() {
    Line::command().debug_assert();
}

#[test]
fn every_default_is_allowed_and_is_that_of_the_contract() {
    let (config, _) = load(&[], &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir.to_str(), Some("./counterfoil-data"));
    assert_eq!(
        (config.shards, config.namespace.as_str()),
        (16, "counterfoil")
    );
    assert_eq!(config.max_wait.as_secs(), 30);
    assert_eq!(config.saga_deadline.as_secs(), 600);
}

#[test]
fn the_environment_stands_over_the_file_and_the_flag_over_both() {
    let file = file(
        "namespace = \"file\"\nshards = 4\nservices = [\"customers\", \"orders\"]\n\
         listen = \"0.0.0.0:1\"\n",
    );
    let path = file.path().to_str().unwrap();

    let environment = [
        ("COUNTERFOIL_NAMESPACE", "env"),
        ("COUNTERFOIL_LISTEN", "0.0.0.0:2"),
    ];
    let (config, shown) = load(&["--config", path, "--namespace", "flag"], &environment).unwrap();

    assert_eq!(
        (
            config.namespace.as_str(),
            config.shards,
            config.listen.port()
        ),
        ("flag", 4, 2)
    );

    assert!(
        shown.contains("from --namespace") && shown.contains("from the environment"),
        "{shown}"
    );

    let (same, _) = load(&[], &[("COUNTERFOIL_CONFIG", path)]).unwrap();
    assert_eq!((same.namespace.as_str(), same.listen.port()), ("file", 1));
}

#[test]
fn a_refusal_names_setting_value_and_what_is_allowed() {
    for (setting, value) in [
        ("COUNTERFOIL_SHARDS", "0"),
        ("COUNTERFOIL_SHARDS", "65"),
        ("COUNTERFOIL_SHARDS", "+4"),
        ("COUNTERFOIL_LISTEN", "nowhere"),
        ("COUNTERFOIL_ROLES", "api,king"),
        ("COUNTERFOIL_ROLES", ""),
        ("COUNTERFOIL_SERVICES", "orders,"),
        ("COUNTERFOIL_NAMESPACE", "No Spaces"),
        ("COUNTERFOIL_LOG_URL", "kafka://host"),
        ("COUNTERFOIL_LOG_URL", "kafka://host:9092,"),
        ("COUNTERFOIL_LOG_URL", "kafka://host:0"),
        ("COUNTERFOIL_LOG_URL", "nats://host:9092"),
        ("COUNTERFOIL_SAGA_DEADLINE", "10"),
        ("COUNTERFOIL_SAGA_DEADLINE", "0s"),
        ("COUNTERFOIL_SEARCH_URL", "ftp://x"),
        ("COUNTERFOIL_SEARCH_URL", "http://"),
        ("COUNTERFOIL_DOCUMENTS_URL", "mongodb://host:port"),
        ("COUNTERFOIL_DOCUMENTS_URL", "postgres://host"),
        ("COUNTERFOIL_DATA_DIR", ""),
        ("COUNTERFOIL_OTLP_ENDPOINT", "ftp://x"),
        ("COUNTERFOIL_FAULTS", "rain"),
    ] {
        let line = refusal(&[(setting, value)]);
        assert!(
            line.contains(setting) && line.contains(value) && line.contains("; allowed: "),
            "{line}"
        );
    }
}

#[test]
fn a_node_that_does_not_do_everything_has_others_beside_it_or_shows_no_views() {
    let servers = [
        ("COUNTERFOIL_LOG_URL", "kafka://host:9092"),
        ("COUNTERFOIL_CUSTOMERS_DATABASE_URL", "postgres://host/c"),
        ("COUNTERFOIL_ORDERS_DATABASE_URL", "postgres://host/o"),
    ];
    let views = [
        ("COUNTERFOIL_DOCUMENTS_URL", "mongodb://host"),
        ("COUNTERFOIL_SEARCH_URL", "http://host:9200"),
    ];
    let refused = |roles, settings: &[(&'static str, &'static str)]| {
        let settings = [&[("COUNTERFOIL_ROLES", roles)], settings].concat();
        let (config, _) = load(&[], &settings).unwrap();
        let errors = config.do_not_go_together();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };

    for roles in ["api,actors", "actors,api", "api,actors,projections"] {
        assert_eq!(refused(roles, &[]), [""; 0], "{roles}");
    }
    for roles in ["api", "actors", "projections", "api,projections"] {
        let lines = refused(roles, &views);
        assert!(
            lines.len() == 1 && lines[0].starts_with(&format!("roles is {roles}, while log_url")),
            "{lines:?}"
        );
    }

    let customers = [("COUNTERFOIL_SERVICES", "customers")];
    let lines = refused("api,actors", &customers);
    assert!(
        lines.len() == 1 && lines[0].starts_with("services is customers, while log_url"),
        "{lines:?}"
    );
    let everywhere = [&servers[..], &customers[..]].concat();
    assert_eq!(refused("api,actors", &everywhere), [""; 0]);

    for roles in ["api", "actors", "api,actors", "api,projections"] {
        assert_eq!(refused(roles, &servers), [""; 0], "{roles}");
    }
    for roles in ["projections", "actors,projections"] {
        let everywhere = [&servers[..], &views[..]].concat();
        assert_eq!(refused(roles, &everywhere), [""; 0], "{roles}");
        let lines = refused(roles, &servers);
        assert!(
            lines.len() == 2 && lines[0].starts_with("documents_url is embedded, while roles has"),
            "{lines:?}"
        );
    }
}

#[test]
fn the_stores_of_the_views_are_chosen_by_url() {
    let (config, _) = load(&[], &[]).unwrap();
    assert_eq!(
        (config.documents_url, config.search_url),
        (DocumentsBackend::Embedded, SearchBackend::Embedded)
    );

    let secret = file("https://elastic:hush@search:9200\n");

    let environment = [
        ("COUNTERFOIL_DOCUMENTS_URL", "mongodb://ada:hush@host/shop"),
        (
            "COUNTERFOIL_SEARCH_URL_FILE",
            secret.path().to_str().unwrap(),
        ),
    ];

    let (config, shown) = load(&[], &environment).unwrap();
    let DocumentsBackend::MongoDb(documents) = &config.documents_url else {
        panic!("{:?}", config.documents_url)
    };

    assert_eq!(documents.expose(), "mongodb://ada:hush@host/shop");

    let SearchBackend::Elasticsearch(search) = &config.search_url else {
        panic!("{:?}", config.search_url)
    };

    assert_eq!(search.expose(), "https://elastic:hush@search:9200");

    for text in [shown, format!("{config:?}")] {
        assert!(
            !text.contains("hush") && text.contains("mongodb://ada:***@host/shop"),
            "{text}"
        );
    }
}

#[test]
fn passwords_are_never_shown() {
    let line = refusal(&[("COUNTERFOIL_DOCUMENTS_URL", "mongodb://ada:hush@host:port")]);
    assert!(line.contains("mongodb://ada:***@host:port"), "{line}");
    let line = refusal(&[(
        "COUNTERFOIL_ORDERS_DATABASE_URL",
        "postgres://ada:hush@host:port/orders",
    )]);
    assert!(
        line.contains("postgres://ada:***@host:port/orders"),
        "{line}"
    );
}

#[test]
fn a_secret_may_come_from_a_file_but_not_from_two_places() {
    let secret = file("embedded\n");
    let path = secret.path().to_str().unwrap();
    let variable = "COUNTERFOIL_ORDERS_DATABASE_URL_FILE";
    load(&[], &[(variable, path)]).unwrap();
    refusal(&[
        (variable, path),
        ("COUNTERFOIL_ORDERS_DATABASE_URL", "embedded"),
    ]);
    let line = refusal(&[(variable, "/nonexistent/secret")]);
    assert!(line.contains("/nonexistent/secret"), "{line}");
}

#[test]
fn the_file_is_read_strictly() {
    for (text, word) in [
        ("shardz = 8", "shardz"),
        ("shards = true", "shards"),
        ("shards = [", "cannot be read"),
    ] {
        let file = file(text);
        let error = load(&["--config", file.path().to_str().unwrap()], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
    assert!(
        load(&["--config", "missing.toml"], &[])
            .unwrap_err()
            .to_string()
            .contains("missing.toml")
    );
}

#[test]
fn what_is_shown_can_be_used_as_a_file() {
    let (_, shown) = load(&["--shards", "3"], &[]).unwrap();
    let file = file(&shown);
    let (config, _) = load(&["--config", file.path().to_str().unwrap()], &[]).unwrap();
    assert_eq!(config.shards, 3);
}

#[test]
fn the_examples_of_what_is_allowed_are_allowed() {
    let mut examples = 0;

    for setting in SETTINGS
        .iter()
        .filter(|setting| setting.allowed.starts_with("a time from"))
    {
        let (_, named) = setting.allowed.split_once(" such as ").unwrap();
        for example in named.split(", ").flat_map(|part| part.split(" or ")) {
            assert!(
                load(&[], &[(setting.environment, example)]).is_ok(),
                "{} {example}",
                setting.name
            );
            examples += 1;
        }
    }

    assert!(examples > 5, "{examples}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let file = file("shards = 99\nshard = 4\n\nmax_wait = true\n");
    let path = file.path().to_str().unwrap();
    let environment = |name: &str| (name == "COUNTERFOIL_LISTEN").then(|| OsString::from("here"));

    let (effective, mut errors) = Effective::gather(&flags(&["--config", path]), &environment);
    errors.extend(Config::refusals(&effective));
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let told = told.join("\n");

    for part in [
        "unknown setting \"shard\" in the config file",
        "line 2, column 1",
        "max_wait in the config file",
        "line 4, column 1, is boolean",
        "COUNTERFOIL_SHARDS is \"99\"",
        "COUNTERFOIL_LISTEN is \"here\"",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(errors.len(), 4, "{told}");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line_and_column() {
    let file = file("shards = 4\nlisten = = 1\n");
    let path = file.path().to_str().unwrap();
    let error = load(&["--config", path], &[]).unwrap_err().to_string();
    assert!(
        error.contains(path) && error.contains("line 2, column 10"),
        "{error}"
    );
}

#[test]
fn a_variable_that_is_no_setting_is_told_with_the_one_that_was_meant() {
    let names = [
        "COUNTERFOIL_SHARDS",
        "COUNTERFOIL_ORDERS_DATABASE_URL_FILE",
        "COUNTERFOIL_URL",
        "COUNTERFOIL_CONFIG",
        "COUNTERFOIL_TEST_KILLS",
        "COUNTERFOIL_CI_CACHE",
        "PATH",
        "COUNTERFOIL_MAX_WATI",
        "COUNTERFOIL_SOMETHING_ELSE_ALTOGETHER",
    ];
    let unknown = variables::unknown(names.into_iter().map(str::to_owned));
    let told: Vec<String> = unknown.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "COUNTERFOIL_MAX_WATI is set, and there is no such setting; \
             did you mean COUNTERFOIL_MAX_WAIT?",
            "COUNTERFOIL_SOMETHING_ELSE_ALTOGETHER is set, and there is no such setting; \
             `counterfoil serve --help` lists them",
        ]
    );
}
