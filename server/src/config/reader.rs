//! Taking typed values out of the layers, and gathering what is wrong with them.

use std::path::PathBuf;

use toml::Value;

use super::Problem;
use super::layers::{Layers, Origin};

/// Takes typed values out of the layers and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Begins without problems.
    pub(super) fn new(layers: &'a Layers) -> Self {
        Reader {
            layers,
            problems: Vec::new(),
        }
    }

    /// Notes what is wrong with the value of a key.
    pub(super) fn complain(&mut self, path: &str, text: &str) {
        let origin = self
            .layers
            .get(path)
            .map_or(&Origin::Default, |setting| &setting.origin);
        self.problems
            .push(Problem::new(origin, format!("`{path}`: {text}")));
    }

    /// Returns the text of a key as `parse` reads it; notes what it says against it.
    pub(super) fn parsed<T>(
        &mut self,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.layers.get(path)?.value.as_str()?;
        parse(text)
            .map_err(|problem| self.complain(path, &problem))
            .ok()
    }

    /// Returns the text of a key; empty if there is none.
    pub(super) fn text(&self, path: &str) -> String {
        self.layers
            .get(path)
            .and_then(|setting| setting.value.as_str())
            .unwrap_or_default()
            .to_owned()
    }

    /// Returns the texts of a key; none if there are none.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        let list = self
            .layers
            .get(path)
            .and_then(|setting| setting.value.as_array());
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// Returns whether a key is true.
    pub(super) fn switch(&self, path: &str) -> bool {
        self.layers
            .get(path)
            .and_then(|setting| setting.value.as_bool())
            .unwrap_or_default()
    }

    /// Returns the number of a key; 0 if there is none.
    pub(super) fn number(&self, path: &str) -> i64 {
        self.layers
            .get(path)
            .and_then(|setting| setting.value.as_integer())
            .unwrap_or_default()
    }

    /// Returns the number of a key, of which 0 is wrong.
    pub(super) fn positive(&mut self, path: &str) -> usize {
        let number = usize::try_from(self.number(path)).unwrap_or_default();
        if number == 0 {
            self.complain(path, "must be at least 1");
        }
        number
    }

    /// Returns the number of a key if it is in a range; notes it if not.
    pub(super) fn within(&mut self, path: &str, least: u32, most: u32) -> u32 {
        let number = u32::try_from(self.number(path)).ok();
        number
            .filter(|number| (least..=most).contains(number))
            .unwrap_or_else(|| {
                self.complain(path, &format!("must be {least} to {most}"));
                least
            })
    }

    /// Returns the file that a key names, and who named it.
    pub(super) fn file(&self, path: &str) -> Option<(PathBuf, Origin)> {
        let setting = self.layers.get(path)?;
        let named = PathBuf::from(setting.value.as_str()?);
        Some((named, setting.origin.clone()))
    }
}
