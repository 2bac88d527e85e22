//! Measures Tutti beside its peers: the same loads over real WebSockets, one server after the other, counting exactly what came.
//! `docs/PERFORMANCE.md` says what each load is; `scripts/bench.sh` builds all and starts this.

mod event_stream;
mod fleet;
mod options;
mod protocol;
mod report;
mod rows;
mod server;
mod transport;
mod typing;
mod wire;

use std::fs;

use options::Options;
use report::{Outcome, Row};
use rows::{awareness, durable, editing, hostile, memory, opening, recovery, storm};
use server::{Kind, Server};
use transport::Transport;

/// A load: its id, what it is called, which servers it is for, and how it is measured.
struct Load<'a> {
    id: &'static str,
    title: String,
    /// Whether it is about what a store does, so that every store is measured, and peers, which save later, are not.
    is_about_stores: bool,
    measure: Box<dyn Fn(&mut Server) -> Outcome + 'a>,
}

fn load<'a>(id: &'static str, title: impl Into<String>, measure: impl Fn(&mut Server) -> Outcome + 'a) -> Load<'a> {
    Load { id, title: title.into(), is_about_stores: false, measure: Box::new(measure) }
}

fn loads(options: &Options) -> Vec<Load<'_>> {
    let seconds = options.seconds;
    let editing = move |rooms, members, typists, pace| {
        move |server: &mut Server| editing::run(server, editing::Scene { rooms, members, typists, pace }, seconds)
    };
    let durable = move |rooms, members, window| {
        move |server: &mut Server| durable::run(server, durable::Scene { rooms, members, window }, seconds)
    };
    let many = options.scaled(100);
    let readers = options.scaled(500);
    let connections = options.scaled(5000);
    let keystrokes = options.scaled(260_000);
    let (storm_clients, storm_mib) = (options.scaled(150), options.scaled(20));
    let mut loads = vec![
        load("room", "One room, 50 people, all typing 16/s", editing(1, 50, 50, 16.0)),
        load("rooms", format!("{many} rooms of 10, all typing 5/s"), editing(many, 10, 10, 5.0)),
        load("readers", format!("One typist at 200/s, {readers} readers"), editing(1, readers + 1, 1, 200.0)),
        load("idle", "Idle connections", move |server| memory::connections(server, connections)),
        load("durable-1", "Durable edits, 500 clients, 1 at a time", durable(250, 2, 1)),
        load("durable-4", "Durable edits, 500 clients, 4 at a time", durable(250, 2, 4)),
        load("durable-room", "Durable edits, 50 clients of one room, 4 at a time", durable(1, 50, 4)),
    ];
    for load in loads.iter_mut().filter(|load| load.id.starts_with("durable")) {
        load.is_about_stores = true;
    }
    let article = std::cell::OnceCell::new();
    loads.push(load("opening", format!("Opening a document of {keystrokes} keystrokes"), move |server| {
        let article = article.get_or_init(|| opening::Article::typed(&options.recording, keystrokes));
        match article {
            Ok(article) => opening::run(server, article),
            Err(error) => {
                let mut outcome = Outcome::default();
                outcome.problem(format!("not measured, {}: {error}", options.recording.display()));
                outcome
            }
        }
    }));
    loads.push(load("storm", format!("{storm_clients} clients join {storm_mib} MiB at once"), move |server| {
        storm::run(server, storm_clients, storm_mib)
    }));
    loads.push(load("awareness", format!("{readers} people move their cursors once a second"), move |server| {
        awareness::run(server, readers, seconds)
    }));
    loads.push(load("hostile", "12 rooms of 5, all typing 5/s, beside an edit of 1 MB every 2 s", move |server| {
        editing::beside_large_edits(server, editing::Scene { rooms: 12, members: 5, typists: 5, pace: 5.0 }, seconds)
    }));
    let beside = format!("20 rooms of 10, all typing 2/s{}, beside", options.transport.title());
    let people = editing::Scene { rooms: 20, members: 10, typists: 10, pace: 2.0 };
    let transport = options.transport;
    for kind in hostile::KINDS.iter().filter(|kind| kind.is_for(transport)) {
        loads.push(load(kind.id, format!("{beside} {}", kind.title), move |server| {
            editing::beside(server, people, seconds, || vec![kind.begin(server)])
        }));
    }
    loads.push(load("hostile-all", format!("{beside} all of these"), move |server| {
        editing::beside(server, people, seconds, || hostile::begin_all(server, transport, &options.without))
    }));
    let rooms = options.scaled(2000);
    loads.push(load("loaded", "Loaded rooms of 100 keystrokes, one connection each", move |server| {
        memory::rooms(server, rooms)
    }));
    loads.push(load("recovery", format!("{connections} clients after a kill"), move |server| {
        recovery::run(server, connections)
    }));
    loads
}

/// Whether the load knows the transport. Plain and over TLS all is the same; others are for people beside hostile clients.
fn can_be_had(load: &Load<'_>, transport: Transport) -> bool {
    match transport {
        Transport::Plain | Transport::Tls => true,
        Transport::Compressed | Transport::Events => load.id.starts_with("hostile-"),
    }
}

fn is_for(load: &Load<'_>, kind: &Kind, transport: Transport) -> bool {
    match kind {
        Kind::TuttiSqlite | Kind::TuttiBefore => true,
        Kind::TuttiPostgres(_) => load.is_about_stores,
        Kind::YWebsocket | Kind::Hocuspocus => transport == Transport::Plain && !load.is_about_stores,
    }
}

fn main() {
    let options = Options::from_env();
    let mut rows = Vec::new();
    let transport = options.transport;
    for load in loads(&options).iter().filter(|load| options.has_row(load.id) && can_be_had(load, transport)) {
        let mut outcomes = Vec::new();
        for kind in options.servers.iter().filter(|kind| is_for(load, kind, transport)) {
            eprintln!("{}: {}", load.title, kind.name());
            let mut server = Server::start(kind, &options.programs, transport);
            let outcome = (load.measure)(&mut server);
            for figure in &outcome.figures {
                eprintln!("    {}: {:.2}", figure.name, figure.value);
            }
            for problem in &outcome.problems {
                eprintln!("    ⚠ {problem}");
            }
            if !outcome.problems.is_empty() {
                eprintln!("{}", server.log().lines().rev().take(10).collect::<Vec<_>>().join("\n"));
            }
            outcomes.push((kind.name().to_owned(), outcome));
        }
        rows.push(Row { id: load.id, title: load.title.clone(), outcomes });
        write(&options, &rows);
    }
    println!("{}", report::markdown(&rows));
}

/// Written after each row, so that an interrupted run leaves what it has measured.
fn write(options: &Options, rows: &[Row]) {
    let file = |name: &str| options.out.join(name);
    let written = fs::create_dir_all(&options.out)
        .and_then(|()| fs::write(file("results.md"), report::markdown(rows)))
        .and_then(|()| fs::write(file("results.json"), format!("{:#}\n", report::json(rows, options.seconds))))
        .and_then(|()| fs::write(file("results.svg"), report::picture(rows)));
    if let Err(error) = written {
        eprintln!("{}: {error}", options.out.display());
    }
}
