//! docker/is-ready: what a health check in a container goes by.

use std::process::Command;

use crate::repository;
use crate::web::{Answer, Web};

fn is_ready(port: &str) -> (bool, String) {
    let output = Command::new("bash").arg(repository("docker/is-ready")).arg(port).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_service_is_ready_when_it_says_so_and_tells_why_it_is_not() {
    let body = br#"{"checks":{"hatchet":{"ok":false,"problem":"no stream"}}}"#;
    for (status, ready) in [(200, true), (503, false), (404, false)] {
        let web = Web::new(move |_, _| Answer { status, ..Answer::whole(body) });
        let (_, port) = web.address.rsplit_once(':').unwrap();
        assert_eq!(is_ready(port), (ready, String::from_utf8_lossy(body).into_owned() + "\n"), "{status}");
        assert_eq!(web.asked()[0].path, "/readyz");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(is_ready(&nobody.to_string()), (false, String::new()));
}
