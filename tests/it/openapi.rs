//! The description of the REST API: that it has every route, and that what it says holds together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use syn::visit::{self, Visit};

use crate::support::http::{ask, get};
use crate::support::process::Process;
use crate::support::server::Server;

/// What the server has beside the API: sockets, files for browsers, the demo.
const BESIDE: [&str; 16] = [
    "/",
    "/api",
    "/assets/{file}",
    "/d/{document}",
    "/dashboard",
    "/dashboard/",
    "/demo/token",
    "/echo",
    "/hocuspocus",
    "/tiptap",
    "/tiptap/{document}",
    "/tutti-history.js",
    "/tutti.d.ts",
    "/tutti.js",
    "/ws",
    "/yjs/{room}",
];

/// The methods of each path.
type Routes = BTreeMap<String, BTreeSet<String>>;

fn described() -> Value {
    let server = Server::start();
    let answer = get(server.address, "/api/v1/openapi.json", None);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

fn operations(api: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = api["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
    })
}

/// Reads `fn routes` of `http/mod.rs`.
struct Reader {
    scope: &'static str,
    found: Routes,
}

impl Reader {
    fn add(&mut self, path: &syn::Expr, methods: impl IntoIterator<Item = String>) {
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = path else { panic!("a path is a literal") };
        // `{room:.+}` is `{room}` to OpenAPI.
        let path = path.value().split('{').enumerate().fold(String::new(), |whole, (number, part)| match number {
            0 => part.to_owned(),
            _ => {
                let (name, rest) = part.split_once('}').unwrap();
                format!("{whole}{{{}}}{rest}", name.split(':').next().unwrap())
            }
        });
        self.found.entry(format!("{}{path}", self.scope)).or_default().extend(methods);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let syn::Expr::Path(name) = &*call.func else { return visit::visit_expr_call(self, call) };
        match &name.path.segments.last().unwrap().ident.to_string()[..] {
            "read" | "socket" => self.add(&call.args[0], ["get".to_owned()]),
            "post" if call.args.len() == 2 => self.add(&call.args[0], ["post".to_owned()]),
            "redirect" => self.add(&call.args[0], []),
            _ => visit::visit_expr_call(self, call),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if let Some(path) = called(call, "resource") {
            let mut methods = Methods::default();
            methods.visit_expr_method_call(call);
            return self.add(path, methods.0);
        }
        let Some(scope) = called(call, "scope") else { return visit::visit_expr_method_call(self, call) };
        assert!(
            matches!(scope, syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) if text.value() == "/api/v1")
        );
        let outer = std::mem::replace(&mut self.scope, "/api/v1");
        visit::visit_expr_method_call(self, call);
        self.scope = outer;
    }
}

/// The argument of the function `name` that a chain of method calls begins with.
fn called<'a>(call: &'a syn::ExprMethodCall, name: &str) -> Option<&'a syn::Expr> {
    match &*call.receiver {
        syn::Expr::MethodCall(inner) => called(inner, name),
        syn::Expr::Call(inner) => match &*inner.func {
            syn::Expr::Path(path) if path.path.segments.last()?.ident == name => inner.args.first(),
            _ => None,
        },
        _ => None,
    }
}

/// The methods that a resource takes.
#[derive(Default)]
struct Methods(BTreeSet<String>);

impl<'ast> Visit<'ast> for Methods {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(name) = &*call.func {
            match &name.path.segments.last().unwrap().ident.to_string()[..] {
                "reading" => drop(self.0.insert("get".to_owned())),
                method @ ("get" | "post" | "put" | "patch" | "delete") => drop(self.0.insert(method.to_owned())),
                _ => {}
            }
        }
        visit::visit_expr_call(self, call);
    }
}

/// The routes that a source registers.
fn registered(source: &str) -> Routes {
    let file = syn::parse_file(source).unwrap();
    let routes = file.items.iter().find_map(|item| match item {
        syn::Item::Fn(item) if item.sig.ident == "routes" => Some(item),
        _ => None,
    });
    let mut reader = Reader { scope: "", found: Routes::new() };
    reader.visit_item_fn(routes.unwrap());
    reader.found
}

#[test]
fn the_reading_of_routes_finds_what_it_looks_for() {
    let source = r#"fn routes(config: &mut C) {
        config.service(read("/a", f)).service(
            web::scope("/api/v1").wrap(w()).service(post("/b/{room:.+}/c", f)).service(
                web::resource("/d").route(web::get().to(f)).route(paths::reading().to(g)).route(web::put().to(f)).default_service(web::to(f)),
            ).default_service(web::to(f)),
        );
        if demo { config.service(socket("/e/{a}/{b:x}", f)).service(web::redirect("/f/", "/f")); }
    }"#;
    let found = registered(source);
    let found: Vec<(&str, Vec<&str>)> =
        found.iter().map(|(path, methods)| (&path[..], methods.iter().map(String::as_str).collect())).collect();
    let expected: [(&str, &[&str]); 5] = [
        ("/a", &["get"]),
        ("/api/v1/b/{room}/c", &["post"]),
        ("/api/v1/d", &["get", "put"]),
        ("/e/{a}/{b}", &["get"]),
        ("/f/", &[]),
    ];
    assert_eq!(found, expected.map(|(path, methods)| (path, methods.to_vec())));
}

#[test]
fn the_description_has_every_route_of_the_api_and_no_other() {
    let api = described();
    let mut described = Routes::new();
    for (path, method, _) in operations(&api) {
        described.entry(path.clone()).or_default().insert(method.clone());
    }
    let mut routes = registered(include_str!("../../src/http/mod.rs"));
    for path in BESIDE {
        assert!(routes.remove(path).is_some(), "{path} is no route any more");
    }
    assert_eq!(described, routes);
}

#[test]
fn each_operation_has_a_name_of_its_own_a_text_and_its_errors() {
    let api = described();
    assert_eq!(api["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&api) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        let summary = operation["summary"].as_str().unwrap();
        assert!(summary.ends_with('.') && !summary.contains("`GET"), "{method} {path}: {summary:?} is no sentence");
        let in_path = operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path");
        assert_eq!(in_path.count(), path.matches('{').count(), "{method} {path}");
        let needs_token = operation["security"]
            .as_array()
            .is_none_or(|schemes| schemes.iter().all(|one| *one != serde_json::json!({})));
        for (status, is_there) in
            [("401", needs_token), ("500", true), ("503", true), ("408", !operation["requestBody"].is_null())]
        {
            assert_eq!(!operation["responses"][status].is_null(), is_there, "{status} of {method} {path}");
        }
    }
}

/// Every `$ref` below `value`.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn what_the_description_refers_to_is_in_it() {
    let api = described();
    let mut found = BTreeSet::new();
    references(&api, &mut found);
    assert!(found.len() > 30);
    found.retain(|reference| api.pointer(&reference[1..]).is_none());
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn pages_of_allowed_origins_may_read_it_and_who_has_it_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--demo"]);
    let answer = get(process.address, "/api/v1/openapi.json", None);
    assert!(answer.header("etag").is_some() && answer.header("access-control-allow-origin").is_some());
    assert_eq!(ask("HEAD", process.address, "/api/v1/openapi.json", None).status, 200);
}
