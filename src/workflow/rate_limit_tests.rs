use super::*;
use crate::workflow::{DefinitionErrors, Definitions, default_pool_sizes};

/// A workflow in 10 lines, then `rest`.
fn file(name: &str, rest: &str) -> String {
    format!(
        "name = '{name}'\ndescription = 'd'\ninput = 'I'\n[defaults]\nexecution_timeout = '10m'\nstall_timeout = '1m'\n\
         schedule_timeout = '30m'\nretries = 3\nbackoff_factor = 2\nbackoff_max = '1m'\n{rest}"
    )
}

fn parse(files: &[(&str, String)]) -> Result<Definitions, DefinitionErrors> {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Definitions::parse(&files, default_pool_sizes(2, 1))
}

fn errors(rest: &str) -> String {
    parse(&[("w.toml", file("W", rest))]).expect_err("this workflow is wrong").to_string()
}

const LIMIT: &str = "[[rate_limit]]\nkey='api'\nlimit=4\nper='second'\n";

fn task(rate_limits: &str) -> String {
    format!("[[task]]\nname='a'\npool='io'\nrate_limits={rate_limits}\n")
}

#[test]
fn limits_and_what_tasks_take_of_them_are_read() {
    let more = "[[rate_limit]]\nkey='a_model'\nlimit=100\nper='minute'\n";
    let mourn = "[on_failure]\nname='mourn'\npool='io'\nrate_limits={a_model=1}\n";
    let definitions =
        parse(&[("w.toml", file("W", &format!("{LIMIT}{more}{}{mourn}", task("{ api = 4, a_model = 2 }"))))]).unwrap();
    let limit = |key: &str, limit, per| RateLimit { key: key.to_owned(), limit, per };
    let wanted = [limit("a_model", 100, RateSpan::Minute), limit("api", 4, RateSpan::Second)];
    assert_eq!(definitions.rate_limits(), wanted);
    assert_eq!(wanted.map(|limit| limit.to_string()), ["100 a minute", "4 a second"]);
    assert_eq!(limit("api", 1, RateSpan::Hour).to_string(), "1 an hour");
    let workflow = definitions.workflow("W").unwrap();
    let taken = |task: &str| workflow.task(task).unwrap().rate_limits.clone();
    assert_eq!(taken("a"), BTreeMap::from([("api".to_owned(), 4), ("a_model".to_owned(), 2)]));
    assert_eq!(taken("mourn"), BTreeMap::from([("a_model".to_owned(), 1)]));
    for (span, seconds) in [(RateSpan::Second, 1), (RateSpan::Minute, 60), (RateSpan::Hour, 3600)] {
        assert_eq!(span.duration().as_secs(), seconds);
    }
}

#[test]
fn a_limit_may_be_declared_in_one_file_and_used_in_another() {
    let uses = || ("2.toml", file("Two", &task("{ api = 1 }")));
    let plain = "[[task]]\nname='a'\npool='io'\n";
    assert!(parse(&[("1.toml", file("One", &format!("{LIMIT}{plain}"))), uses()]).is_ok());
    let same = format!("{LIMIT}{plain}");
    let definitions = parse(&[("1.toml", file("One", &same)), uses(), ("3.toml", file("Three", &same))]).unwrap();
    assert_eq!(definitions.rate_limits().len(), 1);
    let other = same.replace("limit=4", "limit=5");
    let text = parse(&[("1.toml", file("One", &same)), uses(), ("3.toml", file("Three", &other))]).unwrap_err();
    assert_eq!(
        text.to_string(),
        "3.toml:12: field \"key\": rate limit \"api\" is 5 a second here, but 4 a second in 1.toml: make them equal"
    );
}

#[test]
fn each_mistake_is_named_by_file_line_task_and_field() {
    let cases = [
        (
            format!("{LIMIT}{}", task("{ apis = 1 }")),
            "w.toml:18: task \"a\", field \"rate_limits\": there is no rate limit \"apis\"; did you mean \"api\"?",
        ),
        (
            task("{ api = 1 }"),
            "w.toml:14: task \"a\", field \"rate_limits\": there is no rate limit \"api\": declare it with [[rate_limit]]",
        ),
        (
            format!("{LIMIT}{}", task("{ api = 5 }")),
            "w.toml:18: task \"a\", field \"rate_limits\": takes 5 units of \"api\", which allows 4 a second",
        ),
        (
            format!("{LIMIT}{}", task("{ api = 0 }")),
            "w.toml:18: task \"a\", field \"api\": must be a whole number from 1 to 100000, but is 0",
        ),
        (format!("{LIMIT}{}", task("{ api = 'x' }")), "field \"api\": must be a whole number from 1 to 100000, but is"),
        (format!("{LIMIT}{}", task("['api']")), "w.toml:18: task \"a\", field \"rate_limits\": must be a table"),
        (
            format!("{LIMIT}{}", task("{}")),
            "w.toml:12: field \"key\": no task uses rate limit \"api\": name it in a task's rate_limits, or remove it",
        ),
        (
            format!("{LIMIT}{LIMIT}{}", task("{ api = 1 }")),
            "w.toml:16: field \"key\": rate limit \"api\" is declared already",
        ),
        (
            format!("{}{}", LIMIT.replace("second", "seconds"), task("{ api = 1 }")),
            "w.toml:14: field \"per\": there is no span \"seconds\"; did you mean \"second\"?",
        ),
        (
            format!("{}{}", LIMIT.replace("second", "day"), task("{ api = 1 }")),
            "field \"per\": there is no span \"day\"; known: second, minute, hour",
        ),
        (
            format!("{}{}", LIMIT.replace("limit=4", "limits=4"), task("{ api = 1 }")),
            "w.toml:13: field \"limits\": no rate limit has such a field; did you mean \"limit\"?",
        ),
        (format!("{}{}", LIMIT.replace("limit=4", ""), task("{ api = 1 }")), "field \"limit\": is missing: add it"),
        (format!("{}{}", LIMIT.replace("per='second'", ""), task("{ api = 1 }")), "field \"per\": is missing: add it"),
        (
            format!("{}{}", LIMIT.replace("'api'", "'Api'"), task("{ Api = 1 }")),
            "w.toml:12: field \"key\": \"Api\" is no rate limit's key",
        ),
        (
            format!("{}{}", LIMIT.replace("second", "hour"), task("{ api = 1 }")),
            "w.toml:15: task \"a\", field \"schedule_timeout\": 30m must be more than the span of rate limit \"api\", one hour",
        ),
        ("rate_limit = 3\n[[task]]\nname='a'\npool='io'\n".to_owned(), "field \"rate_limit\""),
    ];
    for (rest, wanted) in cases {
        let text = errors(&rest);
        assert!(text.contains(wanted), "{wanted}\n in\n{text}");
    }
}

#[test]
fn a_limit_can_be_overridden_and_what_no_longer_fits_is_refused() {
    let definitions = || Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
    let less = definitions().with_overrides("o.toml", "[rate_limits]\ndaily_api = 5\n").unwrap();
    assert_eq!(less.rate_limits()[0].limit, 5);
    assert_eq!(less.overridden("rate_limits", None, "daily_api").unwrap().was, "15");
    let errors = |text: &str| definitions().with_overrides("o.toml", text).unwrap_err().to_string();
    let text = errors("[rate_limits]\ndaily_apis = 5\n");
    assert_eq!(text, "o.toml:2: field \"daily_apis\": there is no such rate limit; did you mean \"daily_api\"?");
    assert!(errors("[rate_limits]\ndaily_api = 0\n").contains("o.toml:2: field \"daily_api\": must be a whole number"));
    assert!(errors("rate_limits = 3\n").contains("must be a table"));
    let two = parse(&[("w.toml", file("W", &format!("{LIMIT}{}", task("{ api = 2 }"))))]).unwrap();
    let text = two.with_overrides("o.toml", "[rate_limits]\napi = 1\n").unwrap_err().to_string();
    assert!(text.contains("o.toml: workflow \"W\", task \"a\", field \"rate_limits\": takes 2 units"), "{text}");
}

#[test]
fn rate_limits_are_not_part_of_the_shape() {
    let plain = parse(&[("w.toml", file("W", "[[task]]\nname='a'\npool='io'\n"))]).unwrap();
    let limited = parse(&[("w.toml", file("W", &format!("{LIMIT}{}", task("{ api = 2 }"))))]).unwrap();
    let hash = |definitions: &Definitions| definitions.workflow("W").unwrap().shape_hash();
    assert_eq!(hash(&plain), hash(&limited));
}
