// Runs before the page is drawn, so that a chosen theme never flashes past the other one.
try {
  const chosen = localStorage.getItem('tutti.theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch { /* without storage the system's theme is used */ }
