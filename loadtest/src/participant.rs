//! A WebRTC client on str0m in RTP mode.

mod config;
mod devices;
mod sdp;
mod slots;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{MidName, Rid, Source};
use str0m::media::{KeyframeRequestKind, Mid, Rid as RtcRid};
use str0m::{Event, IceConnectionState, Rtc, RtcError};

use crate::audit::SequenceAudit;
use crate::connection::{Connection, Ends, Outgoing, ParticipantError};
use crate::journal::{Counts, Figures, Journal, Record};
use crate::observation::Observation;
use crate::source::PictureSource;

pub use config::ParticipantConfig;
pub(crate) use config::{offer_slots, rtc_config};
use devices::{Devices, Due};
use sdp::without_simulcast_ssrcs;
use slots::Slots;

/// Sent packets kept for retransmission, and for how long.
const RTX_PACKETS: usize = 1_024;
const RTX_AGE: Duration = Duration::from_secs(3);

/// One synthetic participant with one peer connection.
///
/// Every method takes the present; a time before an earlier one counts as the
/// earlier one. After each call [`Participant::poll_outgoing`] is to be asked
/// until it gives nothing, and [`Participant::poll_timeout`] for the next call
/// of [`Participant::handle_timeout`].
pub struct Participant {
    config: ParticipantConfig,
    connection: Connection<MediaEnds>,
    restarted_at: Option<SocketAddr>,
    audit: SequenceAudit,
}

/// What sends and what receives.
struct MediaEnds {
    devices: Devices,
    slots: Slots,
    /// When the datagram came that is being handled.
    arrival: Instant,
    /// Whether the other side offered: then what is received is known from its offer.
    answers: bool,
    ice: IceConnectionState,
}

impl Ends for MediaEnds {
    fn handle_event(&mut self, now: Instant, rtc: &mut Rtc, event: Event) {
        match event {
            Event::IceConnectionStateChange(state) => self.ice = state,
            Event::RtpPacket(packet) => self.slots.handle_packet(now, self.arrival, rtc, packet),
            Event::MediaAdded(added) if self.answers => self.slots.add(added.mid, added.kind),
            Event::KeyframeRequest(request) => {
                let rid = request.rid.and_then(|rid| Rid::parse(&rid));
                self.devices.handle_keyframe_request(now, request.mid, rid);
            }
            _ => {}
        }
    }
}

impl Participant {
    /// Makes a participant that has neither offered nor published anything.
    pub fn new(now: Instant, config: ParticipantConfig) -> Self {
        let epoch = config.epoch.unwrap_or(now);
        let ends = MediaEnds {
            devices: Devices::new(now, epoch, &config),
            slots: Slots::new(Journal::new(config.record, epoch)),
            arrival: now,
            answers: false,
            ice: IceConnectionState::New,
        };
        let rtc = rtc_config(&config).build(now);
        Participant {
            connection: Connection::new(now, rtc, config.address, true, ends),
            restarted_at: None,
            audit: SequenceAudit::default(),
            config,
        }
    }

    /// Returns the first offer: microphone, camera, screen, screen audio, then
    /// the video slots, then the audio slots. To be called once.
    pub fn offer(&mut self, now: Instant) -> String {
        self.offer_media(now, true)
    }

    /// Returns the first offer of somebody who only receives: video slots, then
    /// audio slots. To be called once, in place of [`Participant::offer`].
    pub fn offer_to_watch(&mut self, now: Instant) -> String {
        self.offer_media(now, false)
    }

    /// Answers the first offer of a server that sends: everything in it is received. To be
    /// called once, in place of [`Participant::offer`].
    ///
    /// # Errors
    ///
    /// Refuses what is no SDP or cannot be answered.
    pub fn answer(&mut self, now: Instant, offer: &str) -> Result<String, ParticipantError> {
        self.connection.advance(now);
        self.connection.ends.answers = true;
        self.connection.answer(offer)
    }

    /// Gives a participant that was made without one its host candidate.
    pub fn set_address(&mut self, now: Instant, address: SocketAddr) {
        self.connection.advance(now);
        self.connection.set_address(address);
    }

    fn offer_media(&mut self, now: Instant, sends: bool) -> String {
        self.connection.advance(now);
        let config = &self.config;
        let offer = self.connection.offer(|ends, api| {
            if sends {
                ends.devices.offer(api, config);
            }
            offer_slots(api, config, |mid, kind| ends.slots.add(mid, kind));
        });
        self.as_a_browser(&offer)
    }

    /// Returns an offer with new ICE credentials, which counts once it is
    /// answered; from then on `address` is the only host candidate.
    pub fn restart_ice(&mut self, now: Instant, address: SocketAddr) -> String {
        self.connection.advance(now);
        let offer = self.connection.offer(|_, api| {
            api.ice_restart(false);
        });
        self.restarted_at = Some(address);
        self.as_a_browser(&offer)
    }

    /// Takes the answer to the last offer.
    ///
    /// # Errors
    ///
    /// Refuses an answer that nobody waits for or that does not fit the offer.
    pub fn accept_answer(&mut self, now: Instant, sdp: &str) -> Result<(), ParticipantError> {
        self.connection.advance(now);
        self.connection.accept_answer(sdp)?;
        if let Some(address) = self.restarted_at.take() {
            self.connection.set_address(address);
        }
        self.widen_rtx_caches();
        Ok(())
    }

    /// Switches a made-up device on or off. What it makes is sent at once,
    /// whether the server has accepted a publication or not.
    pub fn publish(&mut self, now: Instant, source: Source, on: bool) {
        self.connection.advance(now);
        let clock = self.connection.clock();
        self.devices_mut().set_on(clock, source, on);
        self.serve_sources();
    }

    /// Chooses the encodings of a picture that are sent.
    pub fn set_active(&mut self, source: Source, active: &[Rid]) {
        self.devices_mut().set_active(source, active);
    }

    /// Sets how loud a source is as RFC 6464 counts it: 0 is loudest, 127 silence.
    pub fn set_level(&mut self, source: Source, level: u8) {
        self.devices_mut().set_level(source, level);
    }

    /// Takes one datagram that came at `now` to `destination`, an address of this
    /// participant. Where the kernel stamps arrivals, its stamp is the better `now`: feedback
    /// on congestion tells when packets came, not when somebody found time for them.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        // Delays count until the datagram came, even if a timer was served since.
        self.connection.ends.arrival = now;
        self.connection.advance(now);
        if self.config.record == Record::Everything {
            self.audit.handle_datagram(payload);
        }
        self.connection
            .handle_datagram(source, destination, payload);
        self.request_keyframes();
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.advance(now);
        self.connection.handle_timeout();
        let clock = self.connection.clock();
        self.connection.ends.slots.handle_timeout(clock);
        self.serve_sources();
        self.request_keyframes();
    }

    /// Returns when [`Participant::handle_timeout`] is next due; `None` once the connection is dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stack = self.connection.poll_timeout()?;
        let devices = self.devices().poll_timeout();
        let slots = self.slots().poll_timeout();
        devices.into_iter().chain(slots).chain([stack]).min()
    }

    /// Returns the next datagram to be sent.
    pub fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.connection.poll_outgoing()
    }

    /// Who this is.
    pub fn id(&self) -> u64 {
        self.config.id
    }

    /// The address of the host candidate in use.
    pub fn address(&self) -> SocketAddr {
        self.connection.address()
    }

    /// Returns the m-line on which a source is sent, once it has been offered.
    pub fn sending_mid(&self, source: Source) -> Option<MidName> {
        self.devices().sending_mid(source)
    }

    /// The m-lines of the video slots, in the order of the offer.
    pub fn video_slots(&self) -> &[MidName] {
        self.slots().video_names()
    }

    /// The m-lines of the audio slots, in the order of the offer.
    pub fn audio_slots(&self) -> &[MidName] {
        self.slots().audio_names()
    }

    /// Returns whether ICE and DTLS have been up at some time.
    pub fn has_connected(&self) -> bool {
        self.connection.has_connected()
    }

    /// Returns whether a path to the server is up at present.
    pub fn has_path(&self) -> bool {
        matches!(
            self.connection.ends.ice,
            IceConnectionState::Connected | IceConnectionState::Completed
        )
    }

    /// Returns whether the connection can still be used.
    pub fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }

    /// Returns why the stack failed, if it did.
    pub fn failure(&self) -> Option<&RtcError> {
        self.connection.failure()
    }

    /// Returns a copy of everything that was received.
    pub fn observation(&self) -> Observation {
        self.slots().observation(self.audit.collisions())
    }

    /// Returns how many frames a video slot has shown so far; with [`Record::Figures`] 0.
    pub fn frames_shown(&self, slot: &MidName) -> usize {
        self.slots().frames_shown(slot)
    }

    /// Returns how much of everything was received so far.
    pub fn counts(&self) -> Counts {
        self.slots().counts()
    }

    /// Returns how many packets of media it has sent, without those sent again.
    pub fn packets_sent(&self) -> u64 {
        self.devices().sent()
    }

    /// Moves what was measured since the last time into `figures`; with
    /// [`Record::Everything`] there is none.
    pub fn take_figures(&mut self, figures: &mut Figures) {
        self.slots_mut().take_figures(figures);
    }

    /// Notes pictures that stand still at `now`, as at the end of a run.
    pub fn close_freezes(&mut self, now: Instant) {
        self.slots_mut().close_freezes(now);
    }

    /// Returns when the first frame could be shown.
    pub fn first_frame(&self) -> Option<Instant> {
        self.slots().first().0
    }

    /// Returns when the first sound came.
    pub fn first_sound(&self) -> Option<Instant> {
        self.slots().first().1
    }

    /// Returns when the server asked for keyframes of a source, by encoding.
    pub fn keyframes_asked(&self, source: Source) -> Vec<(Option<Rid>, Vec<Instant>)> {
        let picture = self.devices().picture(source);
        let asked = picture.into_iter().flat_map(PictureSource::keyframes_asked);
        asked.map(|(rid, times)| (rid, times.to_vec())).collect()
    }

    fn devices(&self) -> &Devices {
        &self.connection.ends.devices
    }

    fn devices_mut(&mut self) -> &mut Devices {
        &mut self.connection.ends.devices
    }

    fn slots(&self) -> &Slots {
        &self.connection.ends.slots
    }

    fn slots_mut(&mut self) -> &mut Slots {
        &mut self.connection.ends.slots
    }

    /// Writes an offer as browsers do.
    fn as_a_browser(&self, offer: &str) -> String {
        let camera = self.devices().mid(Source::Camera);
        without_simulcast_ssrcs(offer, camera.filter(|_| self.config.simulcast))
    }

    /// Asks for a keyframe on every video slot that gets something, needed or
    /// not: what somebody does who means harm.
    pub fn pester(&mut self, now: Instant) {
        self.connection.advance(now);
        for mid in self.slots_mut().video_mids() {
            let mut api = self.connection.rtc.direct_api();
            if let Some(stream) = api.stream_rx_by_mid(mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            self.connection.drain();
        }
    }

    fn request_keyframes(&mut self) {
        let clock = self.connection.clock();
        for mid in self.slots_mut().poll_keyframe_requests(clock) {
            let mut api = self.connection.rtc.direct_api();
            if let Some(stream) = api.stream_rx_by_mid(mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            self.connection.drain();
        }
    }

    /// Makes what the devices have due and hands it to the stack.
    fn serve_sources(&mut self) {
        let clock = self.connection.clock();
        let due = self.devices_mut().handle_timeout(clock);
        if !self.has_connected() || !self.is_alive() {
            return;
        }
        for due in due {
            self.send(due);
        }
    }

    fn send(&mut self, due: Due) {
        let clock = self.connection.clock();
        let Connection { rtc, ends, .. } = &mut self.connection;
        if ends.devices.write(clock, rtc, due) {
            self.connection.drain();
            // The stack sends what was written at the next timeout, which is now.
            self.connection.turn();
        }
    }

    /// Lifts str0m's ratio cap, which no browser has: under heavy loss it drops resends.
    fn widen_rtx_caches(&mut self) {
        let mids: Vec<_> = self.devices().mids().collect();
        for (source, mid) in mids {
            if !source.is_video() {
                continue;
            }
            for rid in [None, Some(Rid::Q), Some(Rid::H), Some(Rid::F)] {
                let rid = rid.map(|rid| RtcRid::from(rid.as_str()));
                if let Some(stream) = self.connection.rtc.direct_api().stream_tx_by_mid(mid, rid) {
                    stream.set_rtx_cache(RTX_PACKETS, RTX_AGE, None);
                }
                self.connection.drain();
            }
        }
    }
}

fn name_of(mid: Mid) -> MidName {
    MidName::new(&mid).expect("str0m makes mids of three letters and digits")
}

#[cfg(test)]
mod tests;
