//! The server of an example, and the proxy in front of it.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use conclave_tests::lab::{HOST, Lab, Pid, conclave};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::examples::{PASSES_TCP, example};

/// The name of the examples.
pub(crate) const NAME: &str = "meet.example.org";

/// How long a program may take until somebody can connect to it.
const PATIENCE: Duration = Duration::from_secs(30);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// What a server is told besides: before and after the example.
pub(crate) type Told = (&'static str, &'static str);

/// A room, one link for each source, and an API for Ada alone.
pub(crate) const MEETING: Told = (
    "",
    r#"
[admin]
listen = "off"
api_cidrs = ["10.99.0.7"]
[limits]
links_per_source = 1
[media]
ips = ["10.99.0.1"]
[[rooms]]
slug = "welcome"
lobby = "off"
start_without_host = true
"#,
);

/// A relay that leads to an echo; the channel numbers are those that Debian's client draws.
pub(crate) const RELAY: Told = (
    "role = \"turn\"\n",
    r#"
[admin]
listen = "off"
[turn]
realm = "north.gov"
peers = ["127.0.0.1"]
allow_loopback_peers = true
relay_ips = ["127.0.0.1"]
legacy_channel_numbers = true
users = ["bob:hunter2-hunter2"]
"#,
);

/// Who stands in front.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proxy {
    Nginx,
    Haproxy,
    Caddy,
}

/// A namespace with a proxy on port 443 and the server behind it.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    /// What the proxy or the server shows.
    pub(crate) certificate: CertificateDer<'static>,
    folder: PathBuf,
}

impl Scene {
    /// Starts both as a section of the page says.
    pub(crate) fn start(section: &str, proxy: Proxy, (before, after): Told) -> Scene {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("conclave-proxies-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let mut scene = Scene {
            lab: Lab::new(),
            certificate: certificate(&folder),
            folder,
        };
        let toml = scene.here(example(section, "toml"));
        let toml = format!("{before}{toml}{after}");
        fs::write(scene.folder.join("conclave.toml"), toml).unwrap();
        scene.start_server();
        scene.start_proxy(section, proxy);
        scene
    }

    /// Returns what a future returns, whose sockets are of the namespace.
    pub(crate) fn run<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.lab.within(|| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(future)
        })
    }

    /// Runs a command of the server with the server's configuration.
    pub(crate) fn ask(&self, command: &str) -> (Option<i32>, String) {
        let (program, config) = (conclave(), self.folder.join("conclave.toml"));
        let [program, config] = [&program, &config].map(|path| path.to_str().unwrap());
        self.lab.run(program, &[command, "--config", config])
    }

    fn start_server(&mut self) {
        let (config, data) = ("conclave.toml", "data");
        let arguments = ["serve", "--config", config, "--data-dir", data];
        let pid = self.start_logged(&conclave(), &arguments);
        self.wait_for("127.0.0.1:8443", pid);
        let mut echo = self.lab.command("turnutils_peer");
        echo.args(["-L", "127.0.0.1"]);
        self.lab.start(echo);
    }

    fn start_proxy(&mut self, section: &str, proxy: Proxy) {
        let (file, language, around) = match proxy {
            Proxy::Nginx => ("nginx.conf", "nginx", nginx(section)),
            Proxy::Haproxy => ("haproxy.cfg", "haproxy", [String::new(), String::new()]),
            Proxy::Caddy => ("Caddyfile", "caddy", [String::new(), String::new()]),
        };
        let text = format!("{}\n", self.here(example(section, language)));
        fs::write(self.folder.join(file), around.join(&text)).unwrap();
        let path = self.folder.join(file);
        let path = path.to_str().unwrap();
        let pid = match proxy {
            Proxy::Nginx => {
                let pid = format!("pid {}/nginx.pid;", self.folder.display());
                let arguments = ["-e", "stderr", "-g", &pid, "-c", path];
                self.start_logged("nginx".as_ref(), &arguments)
            }
            Proxy::Haproxy => self.start_logged("haproxy".as_ref(), &["-db", "-f", path]),
            Proxy::Caddy => {
                let arguments = ["run", "--adapter", "caddyfile", "--config", path];
                self.start_logged("caddy".as_ref(), &arguments)
            }
        };
        self.wait_for(&format!("{HOST}:443"), pid);
    }

    /// Starts a program in the folder, which keeps what it writes.
    fn start_logged(&mut self, program: &Path, arguments: &[&str]) -> Pid {
        let mut command = self.lab.command("sh");
        command
            .args(["-c", r#"exec "$0" "$@" >>log 2>&1"#])
            .arg(program)
            .args(arguments)
            .env("HOME", &self.folder)
            .current_dir(&self.folder);
        self.lab.start(command)
    }

    /// Waits until somebody takes connections.
    fn wait_for(&mut self, address: &str, pid: Pid) {
        let began = Instant::now();
        while !self.lab.within(|| TcpStream::connect(address).is_ok()) {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(self.lab.runs(pid), "it has ended: {log}");
            assert!(began.elapsed() < PATIENCE, "nobody is at {address}: {log}");
            std::thread::yield_now();
        }
    }

    /// Puts the files of this test in the place of those of an example.
    fn here(&self, text: &str) -> String {
        let folder = self.folder.to_str().unwrap();
        text.replace("/etc/ssl/", &format!("{folder}/"))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log"));
            eprintln!("{}", log.unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What stands around an example in the file of Debian's nginx; one process, for it ends with its starter.
fn nginx(section: &str) -> [String; 2] {
    let main = "include /etc/nginx/modules-enabled/*.conf;\n\
                daemon off;\nmaster_process off;\nevents {}\n";
    if section == PASSES_TCP {
        return [main.to_owned(), String::new()];
    }
    let http = "http {\naccess_log off;\n";
    [format!("{main}{http}"), "}\n".to_owned()]
}

/// Makes the three files that the examples name.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.into()]).unwrap();
    let (chain, key) = (cert.pem(), signing_key.serialize_pem());
    let both = format!("{chain}{key}");
    for (ending, text) in [("pem", chain), ("key", key), ("both.pem", both)] {
        let path = folder.join(format!("{NAME}.{ending}"));
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    cert.der().clone()
}
