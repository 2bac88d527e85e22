//! What the network of the tests does to connections, so that the tests that stand on it mean something.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::network::{Direction, Network};
use crate::support::{DEADLINE, eventually};

/// Long enough for anything on loopback to arrive.
const A_WHILE: Duration = Duration::from_millis(300);

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut back = client.try_clone().unwrap();
                let _ = std::io::copy(&mut client, &mut back);
                let _ = back.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// What comes back, or `None` if the connection ends.
fn ask(stream: &mut TcpStream, text: &str) -> Option<String> {
    stream.write_all(text.as_bytes()).ok()?;
    answer(stream, text.len())
}

fn answer(stream: &mut TcpStream, len: usize) -> Option<String> {
    let mut answer = vec![0; len];
    stream.read_exact(&mut answer).ok()?;
    Some(String::from_utf8(answer).unwrap())
}

/// Whether nothing comes, and the connection lives.
fn hears_nothing(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(A_WHILE)).unwrap();
    let heard = stream.read(&mut [0]);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn has_ended(stream: &mut TcpStream) -> bool {
    !matches!(stream.read(&mut [0]), Ok(1))
}

#[test]
fn a_network_that_works_passes_bytes_and_ends_on() {
    let network = Network::to(echo().to_string());
    let mut client = connect(network.address());
    let large = "x".repeat(1 << 20);
    let mut sender = client.try_clone().unwrap();
    let sent = large.clone();
    std::thread::spawn(move || {
        sender.write_all(sent.as_bytes()).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
    });
    assert_eq!(answer(&mut client, large.len()).as_deref(), Some(&large[..]));
    assert!(has_ended(&mut client));
    eventually("the connection is forgotten", || (network.connections() == 0).then_some(()));
}

#[test]
fn a_cut_ends_what_is_connected_and_what_connects_until_it_is_restored() {
    let network = Network::to(echo().to_string());
    let mut before = connect(network.address());
    assert_eq!(ask(&mut before, "a").as_deref(), Some("a"));
    network.cut();
    assert!(has_ended(&mut before));
    assert!(has_ended(&mut connect(network.address())));
    network.restore();
    assert_eq!(ask(&mut connect(network.address()), "b").as_deref(), Some("b"));
}

#[test]
fn dropped_connections_end_and_new_ones_work() {
    let network = Network::to(echo().to_string());
    let mut before = connect(network.address());
    assert_eq!(ask(&mut before, "a").as_deref(), Some("a"));
    network.drop_connections();
    assert!(has_ended(&mut before));
    assert_eq!(ask(&mut connect(network.address()), "b").as_deref(), Some("b"));
}

#[test]
fn what_a_frozen_network_holds_arrives_later() {
    let network = Network::to(echo().to_string());
    let mut client = connect(network.address());
    assert_eq!(ask(&mut client, "a").as_deref(), Some("a"));
    network.freeze();
    client.write_all(b"later").unwrap();
    assert!(hears_nothing(&mut client));
    network.restore();
    assert_eq!(answer(&mut client, 5).as_deref(), Some("later"));
}

#[test]
fn what_goes_in_a_lost_direction_never_arrives_and_the_other_one_works() {
    for direction in [Direction::Up, Direction::Down] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Network::to(listener.local_addr().unwrap().to_string());
        let mut client = connect(network.address());
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        network.lose(direction);
        client.write_all(b"u").unwrap();
        server.write_all(b"d").unwrap();
        let (deaf, hearing, heard) = match direction {
            Direction::Up => (&mut server, &mut client, "d"),
            Direction::Down => (&mut client, &mut server, "u"),
        };
        assert_eq!(answer(hearing, 1).as_deref(), Some(heard));
        assert!(hears_nothing(deaf));
        network.restore();
        assert!(has_ended(&mut client), "a connection that lost something ends");
    }
}

#[test]
fn a_delay_holds_each_way_and_does_not_add_up() {
    let network = Network::to(echo().to_string());
    let mut client = connect(network.address());
    network.delay(Duration::from_millis(100));
    let began = Instant::now();
    for _ in 0..10 {
        client.write_all(b"x").unwrap();
    }
    assert_eq!(answer(&mut client, 10).as_deref(), Some("xxxxxxxxxx"));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(began.elapsed() < DEADLINE);
}

#[test]
fn what_a_connection_is_cut_after_arrives_and_its_answer_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let network = Network::to(listener.local_addr().unwrap().to_string());
    let mut client = connect(network.address());
    let (mut server, _) = listener.accept().unwrap();
    network.cut_after(b"commit\0");
    client.write_all(b"commit\0").unwrap();
    assert_eq!(answer(&mut server, 7).as_deref(), Some("commit\0"));
    let _ = server.write_all(b"done");
    assert!(has_ended(&mut client));
}

#[test]
fn the_program_does_the_same_by_lines_of_its_input() {
    // Built here if it is not: `cargo test --test it` builds no examples.
    let mut child = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "network", "--", &echo().to_string()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo is there");
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.next().unwrap().parse().unwrap();
    let mut obey = |line: &str| {
        writeln!(input, "{line}").unwrap();
        lines.next().unwrap()
    };
    let mut client = connect(address);
    assert_eq!(ask(&mut client, "a").as_deref(), Some("a"));
    assert_eq!(obey("connections"), "1");
    for line in ["delay 1", "freeze", "lose up", "lose down", "cut-after x", "drop", "cut"] {
        assert_eq!(obey(line), "ok", "{line}");
    }
    assert!(has_ended(&mut client));
    for line in ["", "lose", "delay soon", "cut-after", "fly"] {
        assert!(obey(line).starts_with("error: "), "{line}");
    }
    assert_eq!(obey("restore"), "ok");
    assert_eq!(ask(&mut connect(address), "b").as_deref(), Some("b"));
    drop(input);
    assert!(child.wait().unwrap().success());
}
