//! Documents to import, as Yjs clients make them, and files with them.

use std::fs;
use std::path::Path;

use yrs::updates::encoder::Encode;
use yrs::{
    Any, Array, Doc, GetString, Map, ReadTxn, StateVector, Text, Transact, XmlElementPrelim, XmlFragment, XmlTextPrelim,
};

/// A document in which `words` were typed, and what each word's update was.
pub struct Typed {
    doc: Doc,
    pub updates: Vec<Vec<u8>>,
}

impl Typed {
    pub fn new(words: &[&str]) -> Self {
        let mut typed = Self { doc: Doc::new(), updates: Vec::new() };
        words.iter().for_each(|word| typed.type_more(word));
        typed
    }

    pub fn type_more(&mut self, word: &str) {
        let text = self.doc.get_or_insert_text("content");
        let mut txn = self.doc.transact_mut();
        let end = text.len(&txn);
        text.insert(&mut txn, end, word);
        self.updates.push(txn.encode_update_v1());
    }

    pub fn text(&self) -> String {
        self.doc.get_or_insert_text("content").get_string(&self.doc.transact())
    }

    pub fn state(&self) -> Vec<u8> {
        state(&self.doc)
    }

    pub fn state_v2(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v2(&StateVector::default())
    }
}

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

/// A state with a text, a map, an array and XML in it, some of it deleted.
pub fn mixed() -> Vec<u8> {
    let doc = Doc::new();
    let (text, map) = (doc.get_or_insert_text("content"), doc.get_or_insert_map("meta"));
    let (array, xml) = (doc.get_or_insert_array("list"), doc.get_or_insert_xml_fragment("page"));
    let mut txn = doc.transact_mut();
    text.insert(&mut txn, 0, "Ein Stück 🎻 für alle");
    text.remove_range(&mut txn, 0, 4);
    map.insert(&mut txn, "title", "Plan");
    map.insert(&mut txn, "draft", true);
    map.remove(&mut txn, "draft");
    array.push_back(&mut txn, 1);
    array.push_back(&mut txn, Any::from_json(r#"{"nested":[1.5,null]}"#).unwrap());
    let paragraph = xml.push_back(&mut txn, XmlElementPrelim::empty("p"));
    paragraph.push_back(&mut txn, XmlTextPrelim::new("in XML"));
    drop(txn);
    state(&doc)
}

/// The state of a document that nobody ever wrote in.
pub fn untouched() -> Vec<u8> {
    yrs::Update::new().encode_v1()
}

pub fn write(folder: &Path, file: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
