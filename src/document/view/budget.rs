//! What a reader may spend: each loop over what clients wrote counts against it.

/// The most that reading or rendering one document may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingBudget {
    /// Steps of any loop, some ten nanoseconds each.
    pub steps: u64,
    /// Bytes held at the same time, beside the update itself.
    pub bytes: usize,
}

impl Default for ReadingBudget {
    /// About half a second, and 256 MiB.
    fn default() -> Self {
        Self { steps: 50_000_000, bytes: 256 << 20 }
    }
}

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooCostly;

/// What is left of a budget.
#[derive(Debug, Default)]
pub struct Meter {
    steps: u64,
    bytes: usize,
}

impl Meter {
    /// All of it.
    pub fn new(budget: ReadingBudget) -> Self {
        Self { steps: budget.steps, bytes: budget.bytes }
    }

    /// Takes a step.
    ///
    /// # Errors
    /// None is left.
    pub fn step(&mut self) -> Result<(), TooCostly> {
        self.steps(1)
    }

    /// Takes so many steps.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn steps(&mut self, count: usize) -> Result<(), TooCostly> {
        self.steps = self.steps.checked_sub(count as u64).ok_or(TooCostly)?;
        Ok(())
    }

    /// How many values of `T` what is left suffices for.
    pub fn room_for<T>(&self) -> usize {
        self.bytes / size_of::<T>()
    }

    /// Takes what `count` values of `T` need, before they are made.
    ///
    /// # Errors
    /// Less is left.
    pub fn hold<T>(&mut self, count: usize) -> Result<(), TooCostly> {
        self.bytes =
            count.checked_mul(size_of::<T>()).and_then(|bytes| self.bytes.checked_sub(bytes)).ok_or(TooCostly)?;
        Ok(())
    }
}
