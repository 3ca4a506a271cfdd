//! What the shard reports.

use std::time::Instant;

use conclave_sfu_wire::control::{
    Command, Event, MemberKey, MidName, OfferError, PublishError, Rid, RoomKey, SlotState,
    TransportFailure,
};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::objects::Source;
use conclave_signalling_wire::push::{
    LeftReason, MediaLayers, MediaQuality, MediaReset, MediaSlots, Quality, Slot, Speaker, Speakers,
};
use conclave_signalling_wire::reply::{AckedSlots, MediaAnswer, Published, SlotMids};

use crate::media::{
    from_codec, from_failure, from_mid, from_pause, from_rid, from_source, to_picture, to_source,
};
use crate::output::{Notice, Reply};
use crate::publications::Publication;
use crate::record::EndReason;
use crate::room::Room;

/// After how long another offer is taken from who made too many within a minute.
const OFFERS_AGAIN_S: u32 = 5;

impl Room {
    /// Takes what the shard reports. What concerns nobody here is ignored: it crossed with a `Drop`.
    pub fn handle_media(&mut self, now: Instant, event: Event) {
        self.now = now;
        self.take_event(now, event);
        self.settle();
    }

    fn take_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Answer {
                member,
                generation,
                sdp,
                video_slots,
                audio_slots,
            } => {
                let mids = |slots: Vec<MidName>| slots.into_iter().map(from_mid).collect();
                let slots = SlotMids {
                    video: mids(video_slots),
                    audio: mids(audio_slots),
                };
                self.finish_offer(
                    member,
                    generation,
                    Ok(MediaAnswer {
                        generation,
                        sdp,
                        slots,
                    }),
                );
            }
            Event::OfferRefused {
                member,
                generation,
                error,
            } => {
                self.finish_offer(member, generation, Err(offer_error(error)));
            }
            Event::Published {
                member,
                attempt,
                source,
                rids,
            } => self.publication_accepted(member, attempt, from_source(source), &rids),
            Event::PublishRefused {
                member,
                attempt,
                source,
                error,
            } => {
                self.publication_refused(member, attempt, from_source(source), error);
            }
            Event::Passed { room, number } => {
                if room == self.key {
                    self.barrier_passed(number);
                }
            }
            // Nobody is told: the browser knows by itself.
            Event::Connected { .. } => {}
            Event::TransportFailed {
                member,
                generation,
                failure,
            } => {
                self.transport_failed(now, member, generation, failure);
            }
            Event::Slots { member, rev, slots } => self.slots_changed(member, rev, &slots),
            Event::SlotsAcked {
                member,
                rev,
                first_rtp_timestamps,
            } => {
                self.slots_acked(member, rev, first_rtp_timestamps);
            }
            Event::Layers {
                member,
                source,
                active,
                codec,
            } => {
                if let (Some(source), Some(codec)) = (to_picture(source), from_codec(codec)) {
                    let active = active.into_iter().map(from_rid).collect();
                    self.layers_changed(
                        member,
                        MediaLayers {
                            source,
                            active,
                            codec,
                        },
                    );
                }
            }
            Event::Speakers { room, speakers } => self.speakers_changed(room, &speakers),
            Event::Quality { room, levels } => self.quality_changed(room, &levels),
            Event::RoomFailed { room } => {
                if room == self.key {
                    self.fail();
                }
            }
        }
    }

    fn finish_offer(
        &mut self,
        key: MemberKey,
        generation: u32,
        answer: Result<MediaAnswer, ErrorBody>,
    ) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let Some(offer) = member.negotiation.answered(generation, answer.is_ok()) else {
            return;
        };
        if member.link() != Some(offer.link) {
            return;
        }
        match answer {
            Ok(answer) => self.reply(offer.link, offer.id, Reply::Answer(answer)),
            Err(error) => self.refuse(offer.link, offer.id, error),
        }
    }

    fn publication_accepted(&mut self, key: MemberKey, attempt: u32, source: Source, rids: &[Rid]) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let Some(pending) = member.publications.answered(source, attempt) else {
            // It was given up or taken back meanwhile; a later attempt speaks for itself.
            let publications = &member.publications;
            if !publications.live.contains_key(&source)
                && !publications.pending.contains_key(&source)
            {
                self.command(Command::Unpublish {
                    member: key,
                    source: to_source(source),
                });
            }
            return;
        };
        let rids: Vec<_> = rids.iter().copied().map(from_rid).collect();
        let publication = Publication {
            track: pending.track,
            muted: pending.muted,
            muted_by: pending.muted_by,
        };
        member.publications.live.insert(source, publication);
        let present = member.link();
        if source == Source::Screen {
            self.screens.go_live(key);
        }
        if present == Some(pending.link) {
            let published = Published {
                track: pending.track,
                rids,
            };
            self.reply(pending.link, pending.id, Reply::Published(published));
        }
        self.update_sources(key);
    }

    fn publication_refused(
        &mut self,
        key: MemberKey,
        attempt: u32,
        source: Source,
        error: PublishError,
    ) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let Some(pending) = member.publications.answered(source, attempt) else {
            return;
        };
        // One that was published before is over on both sides.
        let was_live = member.publications.live.remove(&source).is_some();
        if member.link() == Some(pending.link) {
            self.refuse(pending.link, pending.id, publish_error(error));
        }
        if was_live {
            self.command(Command::Unpublish {
                member: key,
                source: to_source(source),
            });
        }
        if source == Source::Screen {
            self.end_share(key, ErrorCode::Conflict);
        }
        self.update_sources(key);
    }

    fn transport_failed(
        &mut self,
        now: Instant,
        key: MemberKey,
        generation: u32,
        failure: TransportFailure,
    ) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let Some(reason) = member
            .negotiation
            .failed(now, generation, from_failure(failure))
        else {
            return;
        };
        self.tell(key, &Notice::new(MediaReset { reason }));
    }

    fn slots_changed(&mut self, key: MemberKey, rev: u32, slots: &[SlotState]) {
        let slots = slots.iter().map(|state| self.slot(state)).collect();
        // Whoever appears by publishing was shown when the shard accepted it,
        // before it could feed a slot.
        let changed = self.unlabel(key, MediaSlots { rev, slots });
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        member.mirror.merge(&changed);
        self.tell(key, &Notice::new(changed));
    }

    fn slot(&self, state: &SlotState) -> Slot {
        let feed = state.feed.and_then(|(member, source)| {
            Some((self.members.get(&member)?.face.id, to_picture(source)?))
        });
        Slot {
            mid: from_mid(state.mid),
            participant: feed.map(|(participant, _)| participant),
            source: feed.map(|(_, source)| source),
            paused: state.paused.is_some() || feed.is_none(),
            reason: state.paused.map(from_pause),
        }
    }

    fn slots_acked(&mut self, key: MemberKey, rev: u32, timestamps: Vec<(MidName, u32)>) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let Some(ack) = member.mirror.acks.remove(&rev) else {
            return;
        };
        if member.link() == Some(ack.link) {
            let first_rtp_timestamp = timestamps
                .into_iter()
                .map(|(mid, time)| (from_mid(mid), time))
                .collect();
            self.reply(
                ack.link,
                ack.id,
                Reply::Acked(AckedSlots {
                    first_rtp_timestamp,
                }),
            );
        }
    }

    fn layers_changed(&mut self, key: MemberKey, layers: MediaLayers) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let source = layers.source.into();
        let publications = &member.publications;
        if !publications.live.contains_key(&source) && !publications.pending.contains_key(&source) {
            return;
        }
        member.mirror.set_layers(&layers);
        self.tell(key, &Notice::new(layers));
    }

    fn speakers_changed(&mut self, room: RoomKey, speakers: &[(MemberKey, u8)]) {
        if room != self.key {
            return;
        }
        let named = speakers.iter().filter_map(|(member, level)| {
            Some(Speaker {
                participant: self.members.get(member)?.face.id,
                level: *level,
            })
        });
        let notice = Notice::new(Speakers {
            speakers: named.collect(),
        });
        self.broadcast_filtered(&notice);
        self.speakers = Some(notice);
        self.note_speakers(speakers);
    }

    fn quality_changed(&mut self, room: RoomKey, levels: &[(MemberKey, u8)]) {
        if room != self.key {
            return;
        }
        let named = levels.iter().filter_map(|(member, level)| {
            Some(Quality {
                participant: self.members.get(member)?.face.id,
                level: *level,
            })
        });
        let notice = Notice::new(MediaQuality {
            participants: named.collect(),
        });
        self.broadcast_filtered(&notice);
        self.quality = Some(notice);
    }

    /// Ends the room for everybody, because its shard failed: its key must not be
    /// met again, so those who manage it come again too.
    fn fail(&mut self) {
        self.close_stewards(CloseCode::Ended);
        self.over = Some((EndReason::Failed, None));
        self.end_meeting(None, None, LeftReason::ConnectionLost);
        self.abandon_barriers();
        // What is still being hashed would keep the room from being closed.
        for to in self.hashings.clear() {
            self.answer_late(to, Err(ErrorCode::NotAvailable.into()));
        }
    }
}

fn offer_error(error: OfferError) -> ErrorBody {
    match error {
        OfferError::Invalid(_) => ErrorBody::from(ErrorCode::SdpInvalid).field("sdp"),
        OfferError::CodecUnsupported => ErrorBody::from(ErrorCode::CodecUnsupported).field("sdp"),
        OfferError::Stale => ErrorBody::bad("generation"),
        OfferError::UnknownMember => ErrorCode::NotAvailable.into(),
        OfferError::TooMany => {
            ErrorBody::from(ErrorCode::RateLimited).retry_after_s(OFFERS_AGAIN_S)
        }
    }
}

fn publish_error(error: PublishError) -> ErrorBody {
    match error {
        PublishError::UnknownMid => ErrorBody::bad("mid"),
        PublishError::WrongKind => ErrorBody::bad("source"),
        PublishError::MidTaken => ErrorBody::from(ErrorCode::Conflict).field("mid"),
        PublishError::UnknownMember => ErrorCode::NotAvailable.into(),
    }
}
