//! Has a release build taken up again when the built browser client changed:
//! its files are inside the binary. A development build reads them from disk.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=../client-web/dist");
    }
}
