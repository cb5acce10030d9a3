import { render } from "preact";
import "./style/base.css";
import "./style/dashboard.css";
import "./style/phone.css";
import "./style/routing.css";
import { Console } from "./app";

const root = document.getElementById("console");
if (root) render(<Console />, root);
