import { mount } from "svelte";
import App from "./ui/App.svelte";
import "./ui/tokens.css";
import "./ui/base.css";
import { startComfort } from "./ui/comfort/comfort.svelte";
import { startLocale } from "./ui/locale.svelte";

startComfort();
const target = document.getElementById("app");
// Not awaited at the top: the texts may need a module of this very chunk, which is evaluated only then.
if (target !== null) void startLocale().then(() => mount(App, { target }));
