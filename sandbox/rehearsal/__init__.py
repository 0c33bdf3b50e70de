"""The rehearsal's material: a shop to migrate, an application that writes, a ledger, a verdict and a report."""
