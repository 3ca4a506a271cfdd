import { mount } from "svelte";
import App from "./ui/App.svelte";
import "./ui/tokens.css";
import "./ui/base.css";
import { startComfort } from "./ui/comfort/comfort.svelte";
import { startLocale } from "./ui/locale.svelte";

startLocale();
startComfort();
const target = document.getElementById("app");
if (target !== null) mount(App, { target });
