//! baresip without a screen: one account, a tone or a file for a mouth, a file for an ear, driven by its control port.
#![allow(clippy::disallowed_methods)] // Live tests start programs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::live::{free_port, wait};
use crate::sound;

/// How a phone is set up.
pub struct Account<'a> {
    /// User name.
    pub user: &'a str,
    /// Password.
    pub password: &'a str,
    /// The exchange.
    pub exchange: SocketAddr,
    /// The tone that it says, Hz.
    pub says: u16,
    /// Parameters of its URI, `;transport=tcp`.
    pub by: &'a str,
    /// More parameters of the account, `;answermode=auto`.
    pub more: &'a str,
}

/// A running phone. It is killed when dropped.
pub struct Baresip {
    dir: TempDir,
    child: Child,
    control: u16,
}

/// Where Debian puts its modules.
const MODULES: &str = "/usr/lib/baresip/modules";

impl Baresip {
    /// Starts a phone and waits until its control port listens.
    #[track_caller]
    pub fn start(account: &Account<'_>) -> Baresip {
        Baresip::start_at("127.0.0.1", account)
    }

    /// The same at this address.
    #[track_caller]
    pub fn start_at(ip: &str, account: &Account<'_>) -> Baresip {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (sip, control, rtp) = (free_port(), free_port(), free_port());
        let home = dir.path().display();
        // What an account asks for; all others keep to the usual codecs.
        let more = [("G722", "module g722.so\n"), ("mediaenc", "module srtp.so\n")];
        let more: String =
            more.iter().filter(|(word, _)| account.more.contains(word)).map(|(_, line)| *line).collect();
        let config = format!(
            "poll_method epoll\nsip_listen {ip}:{sip}\ncall_local_timeout 120\ncall_max_calls 4\n\
             audio_player aubridge,ear\naudio_source aufile,{home}/mouth.wav\naudio_alert aubridge,bell\n\
             audio_path {home}\nausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1\n\
             audio_level no\nrtp_ports {rtp}-{}\njitter_buffer_delay 5-10\n\
             module_path {MODULES}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\nsnd_path {home}\n{more}\
             module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n\
             ctrl_tcp_listen 127.0.0.1:{control}\n",
            rtp.saturating_add(40)
        );
        let says = sound::sine(account.says.into(), 60_000, -9.0);
        sound::write_wav(&dir.path().join("mouth.wav"), &says, 8_000);
        fs::write(dir.path().join("config"), config).expect("the folder can be written");
        let line = format!(
            "<sip:{}@{}{}>;auth_pass={};regint=60{}\n",
            account.user, account.exchange, account.by, account.password, account.more
        );
        fs::write(dir.path().join("accounts"), line).expect("the folder can be written");
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(dir.path())
            .arg("-s")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("baresip starts");
        let phone = Baresip { dir, child, control };
        wait("baresip's control port", Duration::from_secs(15), || {
            TcpStream::connect(("127.0.0.1", control)).ok().map(drop)
        });
        phone
    }

    /// A command of its menu: `dial`, `accept`, `hangup`, `hold`, … Gives what it said.
    #[track_caller]
    pub fn command(&self, command: &str, argument: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control))
            .unwrap_or_else(|e| panic!("baresip is gone ({e}):\n{}", self.log()));
        let text = json!({ "command": command, "params": argument, "token": "t" }).to_string();
        write!(stream, "{}:{text},", text.len()).expect("baresip listens");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time");
        let (mut got, mut piece) = (Vec::new(), [0; 4_096]);
        // Events come on the same connection; the answer is the one with our token.
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            got.extend_from_slice(&piece[..n]);
            if let Some(answer) = netstrings(&got).into_iter().find(|v| v["response"] == true) {
                return answer["data"].as_str().unwrap_or_default().to_owned();
            }
        }
        panic!("baresip did not answer {command}:\n{}", self.log());
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Vec<i16> {
        let parts = self.ears().into_iter().filter_map(|ear| fs::read(ear).ok());
        parts.flat_map(|wav| sound::try_wav(&wav)).collect()
    }

    /// Waits until it has heard mostly this tone for half a second.
    #[track_caller]
    pub fn hears(&self, hz: f64) {
        let what = format!("{hz} Hz in the ear of {}", self.dir.path().display());
        wait(&what, Duration::from_secs(20), || {
            let heard = self.heard();
            let mut halves = heard.chunks_exact(sound::RATE / 2);
            halves.any(|half| sound::is_tone(half, &[hz], -30.0)).then_some(())
        });
    }

    /// Its recorder writes files `dump-…-enc.wav` and `dump-…-dec.wav`, a new one each time that sound begins anew.
    fn ears(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir.path()).into_iter().flatten().flatten().map(|f| f.path());
        let mut ears: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect();
        ears.sort();
        ears
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// The whole netstrings of this stream, as JSON.
fn netstrings(mut octets: &[u8]) -> Vec<Value> {
    let mut out = Vec::new();
    while let Some(colon) = octets.iter().position(|b| *b == b':') {
        let length = std::str::from_utf8(&octets[..colon]).ok().and_then(|l| l.parse::<usize>().ok());
        let Some(end) = length.map(|l| colon + 1 + l).filter(|end| *end < octets.len()) else { break };
        out.extend(serde_json::from_slice::<Value>(&octets[colon + 1..end]).ok());
        octets = &octets[end + 1..];
    }
    out
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of a baresip ---\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
