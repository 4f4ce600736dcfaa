//! Commands that reach a server by TLS, with a certificate or a token.

use std::fs;
use std::path::Path;

use plimsoll::client::{Ask, Client, ClientError, Reach};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::folder::folder;
use crate::server::Server;
use crate::{Ran, plimsoll, run};

/// Of `secret`.
const TOKEN: &str = "root 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b decide,report,review,admin\n";

struct House {
    files: TempDir,
    policies: TempDir,
    server: Server,
}

impl House {
    /// A server by TLS, which wants certificates where `mutual`.
    fn new(mutual: bool) -> Self {
        let (files, policies) = (TempDir::new().unwrap(), folder());
        authority(files.path(), "");
        // Another, that signed nothing here.
        authority(files.path(), "other-");
        fs::write(files.path().join("tokens"), TOKEN).unwrap();
        fs::write(files.path().join("token"), "secret\n").unwrap();
        let at = |name: &str| files.path().join(name).display().to_string();
        let (client_ca, callers) = match mutual {
            false => (String::new(), String::new()),
            true => (
                format!("client_ca: {}", at("ca.pem")),
                "callers: [{name: client.test, permissions: [decide, report, review]}]".to_owned(),
            ),
        };
        let config = format!(
            "tls:\n  cert: {}\n  key: {}\n  {client_ca}\nauth:\n  tokens: {}\n  local: []\n  {callers}\n",
            at("localhost.pem"),
            at("localhost.key"),
            at("tokens"),
        );
        let file = files.path().join("plimsoll.yaml");
        fs::write(&file, config).unwrap();
        let server = Server::configured(policies.path(), Some(&file));
        House { files, policies, server }
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// By the name that the certificate is for.
    fn address(&self) -> String {
        self.server.grpc.replace("127.0.0.1", "https://localhost")
    }

    fn set(&self, more: &[&str]) -> Ran {
        let args = ["signals", "set", "user", "u1", "age_days=3", "--server", &self.address()];
        run(&[&args[..], more].concat())
    }
}

/// An authority, and certificates of it for the server and a client.
fn authority(folder: &Path, prefix: &str) {
    let write = |name: &str, text: String| fs::write(folder.join(format!("{prefix}{name}")), text);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    write("ca.pem", params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for name in ["localhost", "client.test"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        write(&format!("{name}.pem"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        write(&format!("{name}.key"), key.serialize_pem()).unwrap();
    }
}

#[test]
fn a_certificate_proves_who_asks() {
    let house = House::new(true);
    let (ca, cert, key) =
        (house.file("ca.pem"), house.file("client.test.pem"), house.file("client.test.key"));
    let all = ["--ca", &ca, "--cert", &cert, "--key", &key];
    let set = house.set(&all);
    assert_eq!(set.code, Some(0), "{}", set.err);
    // The address needs no scheme then.
    let server = house.server.grpc.replace("127.0.0.1", "localhost");
    let get = run(&[&["signals", "get", "user", "u1", "--server", &server][..], &all].concat());
    assert!(get.out.contains("age_days"), "{}{}", get.out, get.err);

    let request = house.file("request.json");
    let text = r#"{"request": {"subject": {"type": "user", "id": "u1"}, "action": {"name": "read"}, "resource": {"type": "door", "id": "d1"}}}"#;
    fs::write(&request, text).unwrap();
    let explain = ["explain", "--request", &request, "--server", &server];
    let explained = run(&[&explain[..], &all].concat());
    assert_eq!(explained.code, Some(0), "{}", explained.err);
    for service in ["check", "evaluate"] {
        let bench = ["bench", "--address", &server, "--requests", "20", "--connections", "2"];
        let measured = run(&[&bench[..], &["--service", service, "--json"], &all].concat());
        assert_eq!(measured.code, Some(0), "{}", measured.err);
        assert!(measured.out.contains("\"answers\": 20"), "{}", measured.out);
    }

    // What the certificate may not do.
    let forget = ["signals", "forget", "user", "u1", "--server", &server];
    let forget = run(&[&forget[..], &all].concat());
    assert!(forget.err.contains("PermissionDenied"), "{}", forget.err);
    // And without the right one there is no answer.
    let (other, other_cert, other_key) = (
        house.file("other-ca.pem"),
        house.file("other-client.test.pem"),
        house.file("other-client.test.key"),
    );
    for wrong in [
        &["--ca", &ca][..],
        &["--ca", &ca, "--cert", &other_cert, "--key", &other_key],
        &["--ca", &other, "--cert", &cert, "--key", &key],
        &["--cert", &cert, "--key", &key],
    ] {
        let set = house.set(wrong);
        assert_eq!(set.code, Some(1), "{wrong:?}: {}", set.out);
        assert!(!set.err.contains("panicked"), "{}", set.err);
    }
    let half = house.set(&["--cert", &cert]);
    assert!(half.err.contains("--key"), "{}", half.err);
    let absent = house.set(&["--ca", "/nowhere.pem"]);
    assert!(absent.err.contains("`/nowhere.pem` can't be read"), "{}", absent.err);
}

#[test]
fn a_token_is_shown_from_the_environment_a_file_or_the_command_line() {
    let house = House::new(false);
    let ca = house.file("ca.pem");
    let file = format!("@{}", house.file("token"));
    let none = house.set(&["--ca", &ca]);
    assert!(none.err.contains("Unauthenticated"), "{}", none.err);
    for token in ["secret", &file] {
        let set = house.set(&["--ca", &ca, "--token", token]);
        assert_eq!(set.code, Some(0), "{}", set.err);
        let address = house.address();
        let set = plimsoll(&["signals", "set", "user", "u1", "age_days=3"])
            .args(["--server", &address, "--ca", &ca])
            .env("PLIMSOLL_TOKEN", token)
            .output()
            .unwrap();
        let set = Ran::from(set);
        assert_eq!(set.code, Some(0), "{}", set.err);
        let bench = ["bench", "--address", &address, "--requests", "5", "--connections", "1"];
        let bench = run(&[&bench[..], &["--ca", &ca, "--token", token]].concat());
        assert_eq!(bench.code, Some(0), "{}{}", bench.out, bench.err);
    }
    let wrong = house.set(&["--ca", &ca, "--token", "guessed"]);
    assert!(
        wrong.err.contains("Unauthenticated") && !wrong.err.contains("guessed"),
        "{}",
        wrong.err
    );
    let odd = house.set(&["--ca", &ca, "--token", "a\nb"]);
    assert!(odd.err.contains("can't stand in a header"), "{}", odd.err);
    // It is no key of the configuration's.
    let help = plimsoll(&["signals", "get", "--help"]).env("PLIMSOLL_TOKEN", "secret").output();
    let help = Ran::from(help.unwrap());
    assert!(help.out.contains("PLIMSOLL_TOKEN") && !help.out.contains("secret"), "{}", help.out);
    // A server starts where it is set.
    let policies = house.policies.path();
    drop(Server::with_token(policies));
}

#[tokio::test]
async fn the_client_of_applications_proves_itself_too() {
    let house = House::new(true);
    let read = |name: &str| fs::read(house.file(name)).unwrap();
    let reach = Reach::new(house.address()).with_ca(read("ca.pem"));
    let known = reach.clone().with_certificate(read("client.test.pem"), read("client.test.key"));
    let ask = || Ask::about("user", "u1").to("read").on("door", "d1");
    let evaluated = Client::reaching(&known).unwrap().evaluate(ask()).await.unwrap();
    assert!(!evaluated.id.is_empty());
    // Not shown a certificate, the server answers nothing.
    assert!(Client::reaching(&reach).unwrap().evaluate(ask()).await.is_err());
    let plain = Reach::new("http://localhost:1").with_ca(read("ca.pem"));
    assert!(matches!(Client::reaching(&plain), Err(ClientError::Address { .. })));
    assert!(!format!("{:?}", known.with_token("secret")).contains("secret"));

    let house = House::new(false);
    let ca = fs::read(house.file("ca.pem")).unwrap();
    let reach = Reach::new(house.address()).with_ca(ca);
    let shown = reach.clone().with_token("secret");
    assert!(Client::reaching(&shown).unwrap().evaluate(ask()).await.is_ok());
    let refused = Client::reaching(&reach).unwrap().evaluate(ask()).await.unwrap_err();
    assert!(matches!(refused, ClientError::Other(_)), "{refused}");
}
