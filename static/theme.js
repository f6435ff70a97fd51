// Before the first paint: the page says whether scripts run, so that what needs them is not shown in vain.
document.documentElement.classList.add("js");
