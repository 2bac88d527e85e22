//! Rule 12: keys from an address (JWKS).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tutti::auth::now_s;

use crate::support::editor::Editor;
use crate::support::events::Events;
use crate::support::eventually;
use crate::support::http::get;
use crate::support::json::Client;
use crate::support::process::{Process, fails_with};
use crate::support::provider::{Provider, WRITER};
use crate::support::server::{ANY_PORT, database_url};
use crate::support::socket::Socket;
use crate::support::tls::Pair;
use crate::support::token::{SECRET, rooms};

/// Where keys are served: what it answers, and how often it was asked.
struct Issuer {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn start(keys: &Value) -> Self {
        let listener = TcpListener::bind(ANY_PORT).unwrap();
        let (answer, asked) = (Arc::new(Mutex::new(ok(keys))), Arc::new(AtomicUsize::new(0)));
        let issuer = Self { address: listener.local_addr().unwrap(), answer: answer.clone(), asked: asked.clone() };
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                asked.fetch_add(1, Ordering::Relaxed);
                let mut request = [0; 4096];
                let _ = client.read(&mut request);
                let _ = client.write_all(answer.lock().unwrap().as_bytes());
            }
        });
        issuer
    }

    fn serves(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn ok(keys: &Value) -> String {
    let body = json!({ "keys": keys }).to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A key pair for ES256: what signs, and the public key as a set has it.
struct Pair256 {
    signing: EncodingKey,
    public: Value,
    id: &'static str,
}

impl Pair256 {
    fn new(id: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let point = rcgen::PublicKeyData::der_bytes(&pair);
        let part = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
        let public = json!({ "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
            "x": part(&point[1..33]), "y": part(&point[33..65]) });
        Self { signing: EncodingKey::from_ec_der(&pair.serialize_der()), public, id }
    }

    fn token(&self) -> String {
        self.token_with(Some(self.id))
    }

    fn token_with(&self, id: Option<&str>) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims(), &self.signing).unwrap()
    }
}

fn claims() -> Value {
    json!({ "sub": "ada", "exp": now_s() + 3600, "rooms": rooms(&["*=write"]) })
}

/// A server whose keys are at `url`.
fn start(folder: &std::path::Path, url: &str, options: &[&str]) -> Process {
    let options = [&["--jwks-url", url], options].concat();
    Process::start(folder, &options)
}

fn status(process: &Process, token: &str) -> u16 {
    get(process.address, "/api/v1/rooms", Some(token)).status
}

#[test]
fn rule_12_tokens_are_verified_by_the_key_that_their_kid_names_with_its_algorithm_only() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second, other) = (Pair256::new("k1"), Pair256::new("k2"), Pair256::new("k1"));
    let secret =
        json!({ "kty": "oct", "kid": "secret", "alg": "HS256", "k": "OWYyYzcxZDA1YmU4NGEzNmMxZDdlMDlhNGI1ZjY4MzI" });
    let mut for_encryption = Pair256::new("enc").public;
    for_encryption["use"] = json!("enc");
    let issuer = Issuer::start(&json!([first.public, second.public, secret, for_encryption, { "kty": "new" }, 7]));
    let process = start(folder.path(), &issuer.url(), &[]);
    assert_eq!((status(&process, &first.token()), status(&process, &second.token())), (200, 200));
    assert_eq!(status(&process, &first.token_with(Some("k2"))), 401);
    assert_eq!(status(&process, &other.token()), 401);
    assert_eq!(status(&process, &first.token_with(None)), 401);
    assert_eq!(status(&process, &first.token_with(Some(&"k".repeat(10_000)))), 401);
    // A secret from a set that everybody can read, and a public key as a secret.
    for (id, secret) in [("secret", SECRET.to_owned()), ("k1", first.public["x"].as_str().unwrap().to_owned())] {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert_eq!(status(&process, &forged), 401, "{id}");
    }
}

#[test]
fn rule_12_a_new_key_is_read_when_its_first_token_comes_and_a_removed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Pair256::new("old"), Pair256::new("new"));
    let issuer = Issuer::start(&json!([old.public]));
    let process = start(folder.path(), &issuer.url(), &["--jwks-refresh", "1s"]);
    assert_eq!(status(&process, &old.token()), 200);
    let mut editor = Editor::join(process.address, "room", &old.token(), 1);
    let mut client = Client::join(process.address, &old.token(), "room");
    let mut provider = Provider::open(process.address, "room", &old.token(), WRITER);
    let mut stream = Events::open(process.address, "/api/v1/rooms/room/events", &old.token());
    // As long as it is there, whatever comes beside it, who stands on it stays.
    issuer.serves(ok(&json!([old.public, new.public])));
    eventually("the new key is read", || (status(&process, &new.token()) == 200).then_some(()));
    editor.saves("still here");
    let mut stays = Editor::join(process.address, "room", &new.token(), 2);
    issuer.serves(ok(&json!([new.public])));
    eventually("the removed key is refused", || (status(&process, &old.token()) == 401).then_some(()));
    for socket in [&mut editor.socket, &mut client.socket, &mut provider.socket] {
        assert_eq!(socket.closed().0, 4504);
    }
    assert_eq!(stream.closed().0, 4504);
    stays.saves("here, too");
    assert_eq!(status(&process, &new.token()), 200);

    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(&json!([]));
    let process = start(folder.path(), &issuer.url(), &["--jwks-refresh", "1h"]);
    process.log_with("the key set cannot be read", 1);
    issuer.serves(ok(&json!([new.public])));
    // Until unknown keys are looked for again.
    eventually("the new key is read", || (status(&process, &new.token()) == 200).then_some(()));
}

#[test]
fn rule_12_a_thousand_unknown_kids_in_a_second_are_two_readings_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let key = Pair256::new("k1");
    let issuer = Issuer::start(&json!([key.public]));
    let process = start(folder.path(), &issuer.url(), &["--jwks-refresh", "1h"]);
    assert_eq!(issuer.asked(), 1);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (address, key) = (process.address, &key);
            scope.spawn(move || {
                for number in 0..250 {
                    let token = key.token_with(Some(&format!("{thread}-{number}")));
                    assert_eq!(get(address, "/api/v1/rooms", Some(&token)).status, 401);
                }
            });
        }
    });
    let most = 2 + started.elapsed().as_secs() as usize / 10;
    assert!(issuer.asked() <= 1 + most, "{} in {:?}", issuer.asked(), started.elapsed());
    assert_eq!(status(&process, &key.token()), 200);
    // The first may just be the next one for whom the set is read.
    let unknown = || Socket::yjs(process.address, "room", &key.token_with(Some("unknown"))).closed().0;
    let codes = [unknown(), unknown()];
    assert!(codes.contains(&1013), "{codes:?}");
}

#[test]
fn rule_12_while_the_set_cannot_be_read_the_last_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let key = Pair256::new("k1");
    let issuer = Issuer::start(&json!([key.public]));
    let process = start(folder.path(), &issuer.url(), &["--jwks-refresh", "1s"]);
    let long = ok(&json!(["x".repeat(300_000)]));
    let many = ok(&Value::from(vec![key.public.clone(); 101]));
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{\"keys\":[".to_owned();
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", issuer.url());
    for answer in [ok(&json!([])), String::new(), "nonsense".to_owned(), long, many, endless, moved] {
        let asked = issuer.asked();
        issuer.serves(answer);
        eventually("the answer was read", || (issuer.asked() >= asked + 2).then_some(()));
        assert_eq!(status(&process, &key.token()), 200);
    }
    assert_eq!(
        process.log_with("the key set cannot be read", 1).matches("the key set cannot be read").count(),
        1,
        "{}",
        process.log()
    );
    issuer.serves(ok(&json!([key.public])));
    eventually("it is said that all is well", || process.log().contains("the key set was read").then_some(()));
}

#[test]
fn rule_12_an_issuer_that_does_not_answer_keeps_nobody_waiting_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind(ANY_PORT).unwrap();
    let url = format!("http://{}/keys", silent.local_addr().unwrap());
    let started = Instant::now();
    let process = start(folder.path(), &url, &[]);
    assert_eq!(status(&process, &Pair256::new("k1").token()), 401);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    process.log_with("no answer within 5s", 1);
}

#[test]
fn rule_12_a_key_set_is_read_by_tls_from_a_server_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::write(folder.path());
    let key = Pair256::new("k1");
    let issuer = Issuer::start(&json!([key.public]));
    let url = format!("https://localhost:{}/keys", pair.front(issuer.address).port());
    for (roots, expected) in [(Some(&pair.certificate_file), 200), (None, 401)] {
        let folder = tempfile::tempdir().unwrap();
        let trust = roots.map_or("true".to_owned(), |file| format!("export SSL_CERT_FILE='{}'", file.display()));
        let process = Process::start_after(&trust, folder.path(), &["--jwks-url", &url]);
        assert_eq!(status(&process, &key.token()), expected, "{}", process.log());
    }
}

#[test]
fn what_cannot_go_with_a_key_set_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let url = "http://localhost:1/keys";
    let cases: [(&[&str], &str); 5] = [
        (&["--jwks-url", url, "--jwt-secret", SECRET], "exclude each other"),
        (&["--jwks-url", url, "--jwt-algorithm", "RS256"], "has its own algorithm"),
        (&["--jwks-url", url, "--demo"], "guests need tokens"),
        (&["--jwks-url", "http://id.example.com/keys"], "an https URL"),
        (&["--jwks-url", url, "--jwks-refresh", "0s"], "--jwks-refresh"),
    ];
    for (options, complaint) in cases {
        let (code, said) = fails_with(folder.path(), options);
        assert!(code == Some(2) && said.contains(complaint), "{options:?}: {code:?} {said}");
    }
}

#[test]
fn check_token_reads_the_key_set() {
    let folder = tempfile::tempdir().unwrap();
    let key = Pair256::new("k1");
    let issuer = Issuer::start(&json!([key.public]));
    let check = |token: &str| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_tutti"));
        program.env_clear().current_dir(folder.path()).env("TUTTI_JWKS_URL", issuer.url());
        program.args(["check-token", token, "--database-url", &database_url(folder.path())]).output().unwrap()
    };
    let good = check(&key.token());
    assert!(good.status.success(), "{good:?}");
    assert_eq!(check(&key.token_with(Some("k2"))).status.code(), Some(1));
}
