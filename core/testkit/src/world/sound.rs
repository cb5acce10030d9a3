//! The sound of the world: the media engine, or its stand-in; what is said into telephones and phones, and heard there.

use super::*;

impl World {
    /// The demonstration with sound: the media engine runs in virtual time with a board, and telephones and phones hear.
    /// Ladders say what they hear.
    pub fn with_sound(seed: u64) -> World {
        World::with_sound_and(seed, |_| {})
    }

    /// The same with changes.
    pub fn with_sound_and(seed: u64, change: impl FnOnce(&mut Config)) -> World {
        let mut world = World::with(seed, change);
        let ports = world.config.lines.iter().map(|line| line.port.port + 1).max().unwrap_or(1);
        let board =
            world.config.lines.first().map(|line| line.port.board.clone()).expect("the world has lines");
        world.audio = Some(Box::new(Audio::new(world.now, board, ports)));
        world
    }

    /// Who is at this telephone. Only with sound.
    #[track_caller]
    fn at_telephone(&mut self, line: &str) -> &mut Person {
        let port = self.config.lines.iter().find(|l| l.id.as_str() == line).expect("a line's name").port.port;
        self.audio.as_mut().expect("a world with sound").telephone(port)
    }

    /// Who is at this SIP phone. Only with sound, and once it had a call.
    #[track_caller]
    fn at_phone(&mut self, name: &str) -> &mut Person {
        let rtp = self.phone(name).rtp();
        let audio = self.audio.as_mut().expect("a world with sound");
        audio.phone(rtp).expect("the phone had a call")
    }

    /// From now on a tone of this frequency is said into a telephone (a line's name) or SIP phone; `None`: nothing.
    #[track_caller]
    pub fn speak(&mut self, who: &str, hz: Option<f64>) {
        self.person(who).speak(hz);
    }

    /// All that was heard at a telephone (a line's name) or SIP phone so far, 8,000 samples a second.
    #[track_caller]
    pub fn heard(&mut self, who: &str) -> Vec<i16> {
        self.person(who).heard.clone()
    }

    #[track_caller]
    fn person(&mut self, who: &str) -> &mut Person {
        match self.config.lines.iter().any(|line| line.id.as_str() == who) {
            true => self.at_telephone(who),
            false => self.at_phone(who),
        }
    }

    /// Presses keys of a telephone as sound (DTMF), 160 ms each; gives them the time that takes.
    pub fn press(&mut self, line: &str, keys: &str) {
        self.say(format_args!("{line} ♫ {keys}"));
        self.at_telephone(line).press(keys);
        self.run(160 * keys.len() as u64);
    }

    /// Keys that a SIP phone was sent as events (RFC 4733).
    pub fn events_to(&mut self, phone: &str) -> String {
        let rtp = self.phone(phone).rtp();
        self.audio.as_ref().map(|audio| audio.keys(rtp).to_owned()).unwrap_or_default()
    }

    pub(super) fn sound(&mut self, cmd: &MediaCommand) {
        match cmd {
            MediaCommand::SetParameters { port, parameters } => {
                let (remote, send) = (parameters.remote, parameters.send.kind);
                self.faces.insert(*port, (**parameters).clone());
                self.say(format_args!("    ♪ {port} ↔ {remote} {send:?} {:?}", parameters.direction));
            }
            MediaCommand::Bridge { members, .. } => {
                let members: Vec<String> = members.iter().map(Endpoint::to_string).collect();
                self.say(format_args!("    ♪ join {}", members.join(" ")));
            }
            MediaCommand::SendDigits { endpoint: at, keys, .. } => {
                self.say(format_args!("    ♪ keys {} to {}", keys.0, at))
            }
            MediaCommand::PlayPrompt { endpoint: at, prompt, .. } => {
                self.say(format_args!("    ♪ say {prompt} to {}", at));
            }
            MediaCommand::Mute { endpoint: at, on } => self.say(format_args!("    ♪ shield {} {on}", at)),
            MediaCommand::DetectDtmf { port, on } => self.say(format_args!("    ♪ hear keys of {port} {on}")),
            MediaCommand::Record { a, b, file, .. } => {
                self.say(format_args!("    ♪ record {} and {} in {file}", a, b));
            }
            MediaCommand::PlayRingback { port, .. } => {
                self.say(format_args!("    ♪ ringback to {port} unless it sounds"))
            }
            MediaCommand::Close { .. } => self.say(format_args!("    ♪ close")),
            _ => {}
        }
        if let Some(audio) = &mut self.audio {
            let happened = audio.command(self.now, cmd.clone(), exchange());
            return self.happened(happened);
        }
        for later in self.media.on(cmd) {
            if let (To::Port(port), MediaEvent::DialTone { .. }) = (&later.to, &later.event)
                && self
                    .line_at(port)
                    .and_then(|line| self.wires.get(&line))
                    .is_some_and(|w| !w.has_dial_tone())
            {
                continue;
            }
            let job = match later.to {
                To::Call(call) => Job::Call(call, CallInput::Media(later.event)),
                To::Port(port) => match self.line_at(&port) {
                    Some(line) => Job::Line(line, LineInput::Media(later.event)),
                    None => continue,
                },
            };
            self.after(later.after, job);
        }
    }

    pub(super) fn open(&mut self, call: CallId, ports: [u16; 2]) {
        match &mut self.audio {
            Some(audio) => audio.open(self.now, call, &ports.map(|port| (port, self.rand.number()))),
            None => self.media.open(call, ports),
        }
    }

    /// The board's and the phones' sound is due, or the engine's time has come.
    pub(super) fn sounds(&mut self) {
        let Some(mut audio) = self.audio.take() else { return };
        let talks = |rtp| self.phones.iter().any(|phone| phone.rtp() == rtp && phone.is_up());
        let happened = audio.timeout(self.now, exchange(), talks);
        let news = audio.news();
        self.audio = Some(audio);
        for (who, what) in news {
            let line =
                |port| self.config.lines.iter().find(|l| l.port.port == port).map(|l| l.id.to_string());
            let phone = |rtp| self.phones.iter().find(|p| p.rtp() == rtp).map(|p| p.name.clone());
            let name = match who {
                Ok(port) => line(port),
                Err(rtp) => phone(rtp),
            };
            self.say(format_args!("{} ♫ hears {what}", name.unwrap_or_default()));
        }
        self.happened(happened);
    }

    /// Delivers what the engine wants done: packets through the network, events as the daemon does.
    pub(super) fn happened(&mut self, happened: Vec<Happening>) {
        for what in happened {
            match what {
                Happening::Packet { from, to, bytes } => {
                    if let Some(after) = self.network_conditions.next(&mut self.rand) {
                        self.after(after, Job::Sound { from, to, bytes });
                    }
                }
                Happening::Event(call, event) => {
                    let line = match event.endpoint() {
                        Endpoint::Port(port) => self.line_at(port),
                        Endpoint::Rtp(_) => None,
                    };
                    let is_calls = matches!(event, MediaEvent::Stats { .. } | MediaEvent::Played { .. });
                    match (line, call) {
                        (Some(line), call) if call.is_none() || !is_calls => {
                            self.posts.push_back(Post::Line { line, input: LineInput::Media(event) });
                        }
                        (_, Some(call)) => {
                            self.posts.push_back(Post::Call { call, input: CallInput::Media(event) });
                        }
                        (_, None) => {}
                    }
                }
            }
        }
    }
}
