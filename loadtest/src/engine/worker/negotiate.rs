//! How a peer comes to its descriptions and its socket.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;

use super::super::clock;
use super::super::peer::Awaits;
use super::super::seat::{Described, PeerId, PeerShape};
use super::Worker;
use crate::journal::Record;
use crate::participant::ParticipantConfig;
use crate::target::{Part, TargetError};

impl Worker {
    pub(super) fn participant(&self, part: &Part, shape: &PeerShape) -> ParticipantConfig {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        ParticipantConfig {
            video_slots: shape.video_slots,
            audio_slots: shape.audio_slots,
            simulcast: self.config.simulcast,
            pictures: self.config.pictures,
            record: Record::Figures,
            epoch: Some(self.epoch),
            ..ParticipantConfig::new(part.number, nowhere)
        }
    }

    /// Makes the first SDP of a peer.
    pub(super) fn describe(
        &mut self,
        id: PeerId,
        shape: &PeerShape,
        offer: Option<String>,
        toward: Option<IpAddr>,
    ) -> Result<Described, TargetError> {
        let peer = self.peers.get_mut(&id).ok_or_else(gone)?;
        let now = clock::now();
        let sdp = if let Some(offer) = offer {
            let socket = peer.bind(now, &offer, toward).map_err(no_socket)?;
            self.ready.add(socket, id.0).map_err(no_socket)?;
            let answered = peer.client.answer(now, &offer);
            answered.map_err(|error| TargetError::Media(error.to_string()))?
        } else {
            if toward.is_some() {
                // No SDP names an address yet: the caller does.
                let socket = peer.bind(now, "", toward).map_err(no_socket)?;
                self.ready.add(socket, id.0).map_err(no_socket)?;
            }
            peer.client.offer(now, shape.sends)
        };
        Ok(Described {
            peer: id,
            sdp,
            sending: peer.client.sending(),
        })
    }

    pub(super) fn accept(
        &mut self,
        id: PeerId,
        sdp: &str,
        toward: Option<IpAddr>,
    ) -> Result<(), TargetError> {
        let peer = self.peers.get_mut(&id).ok_or_else(gone)?;
        let now = clock::now();
        if peer.socket.is_none() {
            let socket = peer.bind(now, sdp, toward).map_err(no_socket)?;
            self.ready.add(socket, id.0).map_err(no_socket)?;
        }
        let accepted = peer.client.accept_answer(now, sdp);
        accepted.map_err(|error| TargetError::Media(error.to_string()))
    }
}

/// Says when a participant with such a peer has come in.
pub(super) fn awaits(part: &Part, shape: &PeerShape, is_offered: bool) -> Awaits {
    let others = part.publishers - usize::from(part.is_publisher());
    if others == 0 {
        Awaits::Connection
    } else if !is_offered && shape.video_slots + shape.audio_slots == 0 {
        Awaits::Nothing
    } else if part.watches > 0 {
        Awaits::Frame
    } else {
        Awaits::Sound
    }
}

fn gone() -> TargetError {
    TargetError::Media("the peer is gone".to_owned())
}

fn no_socket(error: io::Error) -> TargetError {
    let help = if error.raw_os_error() == Some(Errno::EMFILE as i32) {
        "; raise the limit of open files (ulimit -n)"
    } else {
        ""
    };
    TargetError::Media(format!("no socket: {error}{help}"))
}
