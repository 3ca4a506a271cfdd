//! What the operator of the server asks.

use crate::output::{OperatorReply, Output, Reply};
use crate::room::Room;
use crate::room::requests::Answer;

impl Room {
    /// Writes an answer for the operator.
    pub(super) fn answer_operator(&mut self, ticket: u64, answer: Answer) {
        let answer = answer.map(|reply| match reply {
            Some(Reply::RoomRevised(_)) => OperatorReply::Room(Box::new(self.describe())),
            Some(Reply::Invited(created)) => OperatorReply::Invited(created),
            Some(Reply::Invites(invites)) => OperatorReply::Invites(invites),
            Some(Reply::Bans(bans)) => OperatorReply::Bans(bans),
            _ => OperatorReply::Done,
        });
        self.outputs.push_back(Output::Operator {
            ticket,
            answer: Box::new(answer),
        });
    }
}
