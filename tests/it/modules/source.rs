//! Which files of `src/` name which: read with `syn`, so that comments and texts count for nothing.
//!
//! What counts: each `use`, each path that begins with `crate`, `super`, `self` or a child module's name, and what looks like that
//! within a macro. A name that a folder's `mod.rs` passes on with `pub use` leads to the file that defines it, and passing it on is
//! no naming: so a folder's facade may list its children, and they may use what `mod.rs` itself defines, unless it uses them.
//! What is compiled for tests only does not count: a test may look anywhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A file of `src/`, by its path there, such as `room/timeline/mod.rs`.
pub type File = String;

/// The files, each with its code, and those that it names.
pub struct Sources {
    /// The text of each file.
    pub texts: BTreeMap<File, String>,
    /// Which files each file names.
    pub names: BTreeMap<File, BTreeSet<File>>,
    /// The first module of each path outside of this crate that a file names, such as `actix`, and paths such as `std::time`.
    pub foreign: BTreeMap<File, BTreeSet<String>>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Reads `src/`.
pub fn read() -> Sources {
    let root = root().join("src");
    let mut folders = vec![root.clone()];
    let mut texts = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                texts.insert(file, fs::read_to_string(&path).unwrap());
            }
        }
    }
    of(texts)
}

/// What files with these texts name.
pub fn of(texts: BTreeMap<File, String>) -> Sources {
    let files: HashMap<Vec<String>, File> = texts.keys().map(|file| (module(file), file.clone())).collect();
    let parsed: BTreeMap<&File, Named> = texts.iter().map(|(file, text)| (file, named(text, &module(file)))).collect();
    let passed_on: HashMap<Vec<String>, Vec<String>> =
        parsed.values().flat_map(|named| named.passed_on.iter().cloned()).collect();
    let is_test = |file: &File| parsed.values().any(|named| named.tests.contains(&module(file)));
    let (mut names, mut foreign) = (BTreeMap::new(), BTreeMap::new());
    for (file, named) in parsed.iter().filter(|(file, _)| !is_test(file)) {
        let found = named.paths.iter().filter_map(|path| resolve(path, &files, &passed_on));
        names.insert((*file).clone(), found.filter(|found| found != *file).collect());
        foreign.insert((*file).clone(), named.foreign.clone());
    }
    Sources { texts, names, foreign }
}

/// The module that a file is, as a path from the crate's root.
fn module(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let segments: Vec<_> = path.split('/').map(str::to_owned).collect();
    if ["lib", "main"].contains(&path) { vec![] } else { segments }
}

/// The file that defines what a path leads to.
fn resolve(
    path: &[String],
    files: &HashMap<Vec<String>, File>,
    passed_on: &HashMap<Vec<String>, Vec<String>>,
) -> Option<File> {
    // A module may have the same name as what it passes on.
    let is_through = |end: &usize| *end == path.len() || !files.contains_key(&path[..*end]);
    let through = (1..=path.len()).filter(is_through).find_map(|end| Some((passed_on.get(&path[..end])?, end)));
    if let Some((target, end)) = through {
        return resolve(&[target, &path[end..]].concat(), files, passed_on);
    }
    (1..=path.len()).rev().find_map(|end| files.get(&path[..end]).cloned())
}

/// What one file names.
#[derive(Default)]
struct Named {
    module: Vec<String>,
    children: BTreeSet<String>,
    /// Paths from the crate's root.
    paths: BTreeSet<Vec<String>>,
    foreign: BTreeSet<String>,
    /// Names that it passes on, and where they come from.
    passed_on: Vec<(Vec<String>, Vec<String>)>,
    /// Modules that are compiled for tests only.
    tests: BTreeSet<Vec<String>>,
}

fn named(text: &str, module: &[String]) -> Named {
    let file = syn::parse_file(text).unwrap();
    let mut named = Named { module: module.to_vec(), ..Named::default() };
    for item in &file.items {
        if let syn::Item::Mod(child) = item {
            named.children.insert(child.ident.to_string());
        }
    }
    named.visit_file(&file);
    named
}

impl Named {
    fn add(&mut self, segments: &[String]) {
        if let Some(path) = self.absolute(segments) {
            self.paths.insert(path);
        } else if segments.len() > 1 {
            self.foreign.insert(segments[0].clone());
            self.foreign.insert(segments[..2].join("::"));
        }
    }

    /// A path from the crate's root; `None` if it leads out of the crate, or to something in this file.
    fn absolute(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut from = match segments.first()?.as_str() {
            "crate" | "tutti" => vec![],
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().checked_sub(1)?].to_vec(),
            child if self.children.contains(child) => [&self.module[..], &[child.to_owned()]].concat(),
            _ => return None,
        };
        for segment in &segments[1..] {
            match segment.as_str() {
                "super" => drop(from.pop()),
                "self" | "*" => {}
                name => from.push(name.to_owned()),
            }
        }
        Some(from)
    }

    fn add_use(&mut self, tree: &syn::UseTree, before: &[String], is_passed_on: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_use(&path.tree, &with(&path.ident), is_passed_on),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.add_use(item, before, is_passed_on));
            }
            syn::UseTree::Glob(_) => self.add(&[before, &["*".to_owned()]].concat()),
            syn::UseTree::Name(name) => self.add_name(&with(&name.ident), &name.ident, is_passed_on),
            syn::UseTree::Rename(rename) => self.add_name(&with(&rename.ident), &rename.rename, is_passed_on),
        }
    }

    fn add_name(&mut self, segments: &[String], name: &syn::Ident, is_passed_on: bool) {
        match self.absolute(segments) {
            Some(path) if is_passed_on && path.starts_with(&self.module) => {
                let here = [&self.module[..], &[name.to_string()]].concat();
                self.passed_on.push((here, path));
            }
            _ => self.add(segments),
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_test = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    };
    attributes.iter().any(is_test)
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            return visit::visit_item(self, item);
        }
        if let syn::Item::Mod(test) = item {
            self.tests.insert([&self.module[..], &[test.ident.to_string()]].concat());
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_passed_on = !matches!(item.vis, syn::Visibility::Inherited);
        self.add_use(&item.tree, &[], is_passed_on);
    }

    /// Who may name an item is nothing that it names.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let tokens = item.tokens.to_string().replace(' ', "");
        for start in ["crate::", "super::"] {
            for (at, _) in tokens.match_indices(start).filter(|(at, _)| !tokens[..*at].ends_with("::")) {
                let path = tokens[at..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap();
                let segments: Vec<_> = path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
                self.add(&segments);
            }
        }
        visit::visit_macro(self, item);
    }
}

/// The files that name each other in a circle, each circle sorted.
pub fn circles(names: &BTreeMap<File, BTreeSet<File>>) -> Vec<Vec<File>> {
    let reached: BTreeMap<&File, BTreeSet<&File>> =
        names.keys().map(|file| (file, reached_from(file, names))).collect();
    let mut circles: BTreeSet<Vec<File>> = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let back = others.iter().filter(|other| reached.get(**other).is_some_and(|from| from.contains(file)));
            circles.insert(back.map(|other| (**other).clone()).collect());
        }
    }
    circles.into_iter().collect()
}

fn reached_from<'a>(file: &File, names: &'a BTreeMap<File, BTreeSet<File>>) -> BTreeSet<&'a File> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&File> = names[file].iter().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(names.get(next).into_iter().flatten());
        }
    }
    reached
}
