"""Running the analyzers on a PINN: what is planned, done, and put together as one record."""
