//! Unpacks packs for `make crash`, which reads what is stored past the server: hexadecimal packs come line by line on the standard
//! input, and each leaves as one line of its edits, `seq:body` with spaces between, the bodies hexadecimal. A damaged one ends it.
#![allow(clippy::print_stdout, clippy::expect_used)]

fn main() {
    for line in std::io::stdin().lines() {
        let pack = hex::decode(line.expect("a line")).expect("hexadecimal");
        let edits = tutti::pack::decode(&pack).expect("a pack");
        let edits: Vec<String> = edits.iter().map(|edit| format!("{}:{}", edit.seq, hex::encode(&edit.body))).collect();
        println!("{}", edits.join(" "));
    }
}
