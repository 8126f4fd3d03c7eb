"""Reference solutions where no formula in closed form is known, computed with numpy and scipy; they know no network."""
