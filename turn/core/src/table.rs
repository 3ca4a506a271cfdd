//! A small table with places that stay: the first few in the owner itself, the rest apart.

/// How many entries need no memory of their own. A browser has one or two peers, our shards.
const INLINE: usize = 4;

/// At most 256 entries, found by walking: eight comparisons are quicker than one hash.
#[derive(Debug)]
pub(crate) struct Table<T> {
    inline: [Option<T>; INLINE],
    more: Vec<Option<T>>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Table {
            inline: [const { None }; INLINE],
            more: Vec::new(),
        }
    }

    /// Puts `value` into a free place, unless `max` places are taken. A place keeps its index.
    pub(crate) fn insert(&mut self, value: T, max: u8) -> Option<u8> {
        if self.len() >= usize::from(max) {
            return None;
        }
        let free = self
            .inline
            .iter()
            .chain(&self.more)
            .position(Option::is_none);
        let index = match free {
            Some(index) => index,
            None => {
                self.more.reserve_exact(1);
                self.more.push(None);
                INLINE + self.more.len() - 1
            }
        };
        *self.place(index)? = Some(value);
        u8::try_from(index).ok()
    }

    pub(crate) fn remove(&mut self, index: u8) -> Option<T> {
        self.place(usize::from(index))?.take()
    }

    pub(crate) fn get(&self, index: u8) -> Option<&T> {
        let index = usize::from(index);
        match index.checked_sub(INLINE) {
            None => self.inline.get(index)?.as_ref(),
            Some(beyond) => self.more.get(beyond)?.as_ref(),
        }
    }

    pub(crate) fn get_mut(&mut self, index: u8) -> Option<&mut T> {
        self.place(usize::from(index))?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, &T)> {
        self.inline
            .iter()
            .chain(&self.more)
            .enumerate()
            .filter_map(|(index, place)| Some((u8::try_from(index).ok()?, place.as_ref()?)))
    }

    /// Returns the first entry that is meant, and its place. Each packet asks for one.
    #[inline]
    pub(crate) fn find(&self, is_meant: impl Fn(&T) -> bool) -> Option<(u8, &T)> {
        for (index, place) in self.inline.iter().enumerate() {
            if let Some(value) = place
                && is_meant(value)
            {
                return Some((index as u8, value));
            }
        }
        let behind = |place: &Option<T>| place.as_ref().is_some_and(&is_meant);
        let index = self.more.iter().position(behind)?;
        let value = self.more.get(index)?.as_ref()?;
        Some((u8::try_from(INLINE + index).ok()?, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Bytes that it holds outside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.more.capacity() * size_of::<Option<T>>()
    }

    fn place(&mut self, index: usize) -> Option<&mut Option<T>> {
        match index.checked_sub(INLINE) {
            None => self.inline.get_mut(index),
            Some(beyond) => self.more.get_mut(beyond),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_and_are_used_again() {
        let mut table = Table::new();
        for value in 0..6 {
            assert_eq!(table.insert(value, 6), Some(value));
        }
        assert_eq!(table.insert(6, 6), None);
        assert_eq!(table.find(|value| *value == 2), Some((2, &2)));
        assert_eq!(table.find(|value| *value > 4), Some((5, &5)));
        assert_eq!(table.find(|value| *value == 6), None);
        assert_eq!(table.remove(5), Some(5));
        assert_eq!(table.remove(1), Some(1));
        assert_eq!(
            (table.get(0), table.get(1), table.get(4)),
            (Some(&0), None, Some(&4))
        );
        assert_eq!(table.insert(7, 6), Some(1));
        assert_eq!(table.len(), 5);
        assert_eq!(table.get(200), None);
    }
}
