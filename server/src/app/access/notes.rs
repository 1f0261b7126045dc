//! What came of a form, told once on the page after it: kept in memory under a
//! random name that the address has, for the session that sent the form.

use super::super::tokens::random_hex;
use super::App;
use crate::error::AppError;
use std::collections::VecDeque;
use std::sync::Mutex;
use wire::{FormAnswer, SignInRefused};

/// Notes kept at most; the oldest goes.
const KEPT: usize = 1_000;

/// What is told.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// What came of a form.
    Form(FormAnswer),
    /// Why nobody was signed in, with what was typed but for the password.
    SignIn {
        refused: SignInRefused,
        login: String,
        name: String,
        code: String,
    },
}

/// The notes that were not read yet.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<VecDeque<(String, String, Note)>>);

impl App {
    /// Keeps a note for a session (empty: for whoever is not signed in yet) and
    /// names it.
    pub(crate) fn keep_note(&self, session_id: &str, note: Note) -> Result<String, AppError> {
        let name = random_hex::<12>()?;
        if let Ok(mut notes) = self.notes.0.lock() {
            if notes.len() >= KEPT {
                notes.pop_front();
            }
            notes.push_back((name.clone(), session_id.to_owned(), note));
        }
        Ok(name)
    }

    /// The note of this name, once, if it is for this session.
    pub(crate) fn take_note(&self, session_id: &str, name: &str) -> Option<Note> {
        let mut notes = self.notes.0.lock().ok()?;
        let at = notes
            .iter()
            .position(|(kept, of, _)| kept == name && of == session_id)?;
        notes.remove(at).map(|(_, _, note)| note)
    }
}
