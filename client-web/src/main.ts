import { mount } from "svelte";
import App from "./ui/App.svelte";
import "./ui/tokens.css";
import "./ui/base.css";
import { startLocale } from "./ui/locale.svelte";

startLocale();
const target = document.getElementById("app");
if (target !== null) mount(App, { target });
